"""How an option is declared, settled and shown: settings classes and the command line stand on it."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.methods import Sentences
from bids_deeptaskgen.settings.value_types import KINDS, Check, read_label


@dataclass(frozen=True)
class Option:
    """What a settings field says of itself, beside its name, type and default.

    Attributes
    ----------
    help : str
        One or two sentences in lower case, for ``--help`` and the settings file.
    unit : str
        Unit of a number.
    group : str
        Heading in ``--help``.
    flags : tuple of str
        Further spellings, e.g. ``-w``.
    former : tuple of str
        Earlier names of the field. Command lines and settings files may still use them.
    metavar : str
        Stands for the value in ``--help``.
    unset : str
        What the default means where it is None or empty.
    words : str
        What a value must be, where the type alone does not say it.
    choices : tuple of str
        Legal values.
    check : Check or None
        Test of each value.
    read : callable or None
        Makes the value of text, in place of the reader of the type.
    show : callable or None
        Makes text of the value, such that ``read`` gives it back.
    methods : Sentences or None
        What the methods text of CITATION.md says of the value.
    positional, count, from_file, science : bool
        Given by place; given by repetition (``-vv``); ``@FILE`` stands for the lines of a file; decides
        what is in the maps, and so is part of the settings hash.
    """

    help: str
    unit: str = ""
    group: str = "options"
    flags: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    metavar: str = ""
    unset: str = ""
    words: str = ""
    choices: tuple[str, ...] = ()
    check: Check | None = None
    read: Callable[[Any], Any] | None = None
    show: Callable[[Any], str] | None = None
    methods: Sentences | None = None
    positional: bool = False
    count: bool = False
    from_file: bool = False
    science: bool = False


# Any, because the result stands where the field's own type is wanted.
def option(default: object = MISSING, **option_specs: Any) -> Any:  # noqa: ANN401
    """Declare a settings field; the keywords are the attributes of `Option`."""
    return field(default=default, metadata={"option": Option(**option_specs)})


def label_option(default: object, entity: str, **option_specs: Any) -> Any:  # noqa: ANN401
    """Declare a field of BIDS labels, which are given with the entity's prefix or without it."""
    words = f"a label of letters and digits, with or without {entity}-"
    return option(default, read=read_label(entity), metavar="LABEL", words=words, **option_specs)


@dataclass(frozen=True)
class OptionSpec:
    """A settings field with its option, its type taken apart.

    Attributes
    ----------
    name : str
        Name of the field.
    option : Option
    kind : type
        Type of one value: a key of `KINDS`.
    many : bool
        The field is a tuple of such values.
    optional : bool
        None is legal.
    default : object
        `dataclasses.MISSING` where the value must be given.
    """

    name: str
    option: Option
    kind: Any
    many: bool
    optional: bool
    default: Any

    @property
    def flag(self) -> str:
        """The name a user types or reads: ``--fd-threshold``, or ``BIDS_DIR`` for a positional one."""
        return self.name.upper() if self.option.positional else _flag_of(self.name)

    @property
    def flags(self) -> tuple[str, ...]:
        """All spellings on the command line, the present name first."""
        return (self.flag, *self.option.flags, *(_flag_of(name) for name in self.option.former))

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING

    @property
    def default_text(self) -> str:
        """The default with its unit, or what it means; empty where there is none to tell."""
        if self.required or self.option.count or self.default is False:
            return ""
        if self.default is True:
            return "on"
        if self.default is None or self.default == ():
            return self.option.unset
        unit = "" if isinstance(self.default, str) else self.option.unit
        return f"{self.show(self.default)} {unit}".rstrip()

    @property
    def words(self) -> str:
        """What a value must be, to end the sentence *it must be ...*."""
        if self.option.choices:
            return "one of " + ", ".join(self.option.choices)
        of_unit = f" of {self.option.unit}" if self.option.unit else ""
        words = self.option.words or KINDS[self.kind].words + of_unit
        return f"{words}, {self.option.check.words}" if self.option.check else words

    def show(self, value: object) -> str:
        """Make text of one value, such that reading it gives the value back."""
        if self.option.show:
            return self.option.show(value)
        if type(value) is tuple:
            return "=".join(str(part) for part in value)
        return repr(value) if isinstance(value, float) else str(value)

    def settle(self, given: object) -> object:
        """Turn what was given (text, or a value) into the field's value, or refuse it.

        Raises
        ------
        UserError
            A sentence with what was given and what is allowed.
        """
        if given is None and self.optional:
            return None
        if not self.many:
            return self._one(given)
        items = [given] if isinstance(given, str) else given
        if not isinstance(items, (list, tuple)):
            raise self._refusal(given)
        # A label named twice is one person, and one person is one record.
        return tuple(dict.fromkeys(self._one(item) for text in items for item in self._lines(text)))

    def _one(self, given: object) -> object:
        try:
            value = (self.option.read or KINDS[self.kind].read)(given)
        except (TypeError, ValueError, OverflowError) as reason:
            raise self._refusal(given) from reason
        legal = not self.option.choices or value in self.option.choices
        if not legal or (self.option.check and not self.option.check.holds(value)):
            raise self._refusal(given)
        return value

    def _lines(self, text: object) -> Iterator[object]:
        """Give the lines of the file where the text is ``@FILE``, and the text itself elsewhere."""
        if not (self.option.from_file and isinstance(text, str) and text.startswith("@")):
            yield text
            return
        try:
            # Editors of Windows begin a text with a byte-order mark.
            lines = Path(text[1:]).expanduser().read_text("utf-8-sig").splitlines()
        except (OSError, RuntimeError, UnicodeDecodeError) as reason:
            message = f"{self.flag} {text}: this file can't be read ({reason}). It holds one label a line."
            raise UserError(message) from reason
        labels = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        if not labels:
            # An empty choice would mean everybody, the opposite of what an empty list of the failed says.
            message = f"{self.flag} {text}: this file names nobody, so there is nothing to do."
            raise UserError(message)
        yield from labels

    def _refusal(self, given: object) -> UserError:
        shown = given if isinstance(given, str) and given else repr(given)
        return UserError(f"{self.flag}: {shown} was given; it must be {self.words}.")


def _flag_of(name: str) -> str:
    """Write the name of a field as an option of the command line."""
    return "--" + name.replace("_", "-")


def option_specs(settings_class: Any) -> tuple[OptionSpec, ...]:
    """List the options of a settings class (or of an instance), in the order of its fields."""
    return tuple(_declared(one) for one in fields(settings_class))


def _declared(one: Any) -> OptionSpec:
    kind, many, optional = one.type, False, False
    arguments = get_args(kind)
    if get_origin(kind) is tuple and arguments[-1] is Ellipsis:
        kind, many = arguments[0], True
    elif NoneType in arguments:
        kind, optional = next(part for part in arguments if part is not NoneType), True
    return OptionSpec(one.name, one.metadata["option"], kind, many, optional, one.default)
