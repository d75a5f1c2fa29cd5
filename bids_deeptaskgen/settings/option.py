"""Declaration, conversion and formatting of options; settings classes and command lines are built from it."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from types import NoneType
from typing import Any, get_args, get_origin

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.methods import Sentences
from bids_deeptaskgen.settings.paths import UnsuitablePathError, parse_path
from bids_deeptaskgen.settings.value_types import KINDS, Check, label_parser


@dataclass(frozen=True)
class Option:
    """Description of a settings field, beyond its name, type and default.

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
    former_names : tuple of str
        Earlier names of the field. Command lines and settings files may still use them.
    metavar : str
        Placeholder of the value in ``--help``.
    default_meaning : str
        Meaning of a default that is None or empty.
    expected : str
        Description of legal values, if the type alone does not describe them.
    choices : tuple of str
        Legal values.
    check : Check or None
        Test of each value.
    parse : callable or None
        Converts text to the value; None uses the parser of the type.
    format : callable or None
        Converts the value to text that `parse` accepts.
    methods : Sentences or None
        Sentences on the value in the methods text of CITATION.md.
    positional : bool
        The value is a positional argument.
    count : bool
        The value is the number of repetitions (``-vv``).
    from_file : bool
        ``@FILE`` stands for the lines of a file.
    may_be_empty : bool
        Empty text is a legal value.
    affects_output : bool
        The value changes the maps, so it enters the settings hash.
    """

    help: str
    unit: str = ""
    group: str = "options"
    flags: tuple[str, ...] = ()
    former_names: tuple[str, ...] = ()
    metavar: str = ""
    default_meaning: str = ""
    expected: str = ""
    choices: tuple[str, ...] = ()
    check: Check | None = None
    parse: Callable[[Any], Any] | None = None
    format: Callable[[Any], str] | None = None
    methods: Sentences | None = None
    positional: bool = False
    count: bool = False
    from_file: bool = False
    may_be_empty: bool = False
    affects_output: bool = False


# Any, because the result is assigned to a field of another type.
def option(default: object = MISSING, **attributes: Any) -> Any:  # noqa: ANN401
    """Create a settings field.

    Parameters
    ----------
    default : object
        Default of the field; without one, the user must set it.
    attributes : object
        Attributes of `Option`.

    Returns
    -------
    dataclasses.Field
    """
    return field(default=default, metadata={"option": Option(**attributes)})


def label_option(default: object, entity: str, **attributes: Any) -> Any:  # noqa: ANN401
    """Create a settings field of BIDS labels, which may have the prefix of their entity.

    Parameters
    ----------
    default : object
        Default of the field.
    entity : str
        Key of the entity, e.g. ``sub``.
    attributes : object
        Attributes of `Option`.

    Returns
    -------
    dataclasses.Field
    """
    expected = f"a label of letters and digits, with or without {entity}-"
    return option(default, parse=label_parser(entity), metavar="LABEL", expected=expected, **attributes)


@dataclass(frozen=True)
class OptionSpec:
    """Option of a settings field, with the parts of the field's type.

    Attributes
    ----------
    name : str
        Name of the field.
    option : Option
    kind : type
        Type of one value: a key of `KINDS`.
    is_tuple : bool
        The field is a tuple of such values.
    is_optional : bool
        None is legal.
    default : object
        `dataclasses.MISSING` if the user must set the value.
    """

    name: str
    option: Option
    kind: Any
    is_tuple: bool
    is_optional: bool
    default: Any

    @property
    def flag(self) -> str:
        """Return the name on the command line: ``--fd-threshold``, or ``BIDS_DIR`` if positional."""
        return self.name.upper() if self.option.positional else _flag_of(self.name)

    @property
    def flags(self) -> tuple[str, ...]:
        """Return all spellings on the command line, the current name first."""
        return (self.flag, *self.option.flags, *(_flag_of(name) for name in self.option.former_names))

    @property
    def is_required(self) -> bool:
        """Return whether there is no default."""
        return self.default is MISSING

    @property
    def default_text(self) -> str:
        """Return the default with its unit, or its meaning; empty for required options and counts."""
        if self.is_required or self.option.count or self.default is False:
            return ""
        if self.default is True:
            return "on"
        if self.default is None or self.default == ():
            return self.option.default_meaning
        unit = "" if isinstance(self.default, str) else self.option.unit
        return f"{self.format(self.default)} {unit}".rstrip()

    @property
    def expected(self) -> str:
        """Return the description of legal values that completes the sentence *it must be ...*."""
        if self.option.choices:
            return "one of " + ", ".join(self.option.choices)
        of_unit = f" of {self.option.unit}" if self.option.unit else ""
        expected = self.option.expected or KINDS[self.kind].expected + of_unit
        return f"{expected}, {self.option.check.expected}" if self.option.check else expected

    def format(self, value: object) -> str:
        """Format one value as text that `convert` turns into the same value.

        Parameters
        ----------
        value : object
            A value of the field's type, or an item if the field is a tuple.

        Returns
        -------
        str
        """
        if self.option.format:
            return self.option.format(value)
        if type(value) is tuple:
            return "=".join(str(part) for part in value)
        return repr(value) if isinstance(value, float) else str(value)

    def convert(self, value: object) -> object:
        """Convert a value (text, or of the field's type) to the field's type, and check it.

        Parameters
        ----------
        value : object
            Text, a value of the field's type, or None; a list or tuple of them if the field is a tuple.

        Returns
        -------
        object
            Of the field's type; None only if the field is optional. Duplicates in a tuple are removed.

        Raises
        ------
        UserError
            If the value is not legal; the message names the option, the value and the legal values.
        """
        if value is None and self.is_optional:
            return None
        if not self.is_tuple:
            return self._convert_item(value)
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise self._refusal(value)
        # A label that is listed twice is one participant with one record.
        return tuple(
            dict.fromkeys(self._convert_item(item) for text in items for item in self._read_lines(text))
        )

    def _convert_item(self, item: object) -> object:
        try:
            value = (self.option.parse or KINDS[self.kind].parse)(item)
        except (TypeError, ValueError, OverflowError) as reason:
            raise self._refusal(item, reason) from reason
        is_choice = not self.option.choices or value in self.option.choices
        is_blank = isinstance(value, str) and not value.strip() and not self.option.may_be_empty
        if is_blank or not is_choice or (self.option.check and not self.option.check.accepts(value)):
            raise self._refusal(item)
        return value

    def _read_lines(self, text: object) -> Iterator[object]:
        """Yield the lines of the file if the text is ``@FILE``, and the text itself otherwise."""
        if not (self.option.from_file and isinstance(text, str) and text.startswith("@")):
            yield text
            return
        try:
            # Windows editors start a text with a byte-order mark.
            lines = parse_path(text[1:]).read_text("utf-8-sig").splitlines()
        except UnsuitablePathError as reason:
            message = f"{self.flag} @FILE: {text[1:]} {reason}"
            raise UserError(message) from reason
        except (OSError, ValueError) as reason:
            message = (
                f"{self.flag} {text}: the file cannot be read ({reason}). It must have one label per line."
            )
            raise UserError(message) from reason
        labels = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        if not labels:
            # No labels would select all participants; an empty list of failed participants means none.
            message = f"{self.flag} {text}: the file contains no label. Write one label per line."
            raise UserError(message)
        yield from labels

    def _refusal(self, value: object, reason: BaseException | None = None) -> UserError:
        text = value if isinstance(value, str) and value.strip() else repr(value)
        if isinstance(reason, UnsuitablePathError):
            return UserError(f"{self.flag}: {text} {reason}")
        return UserError(f"{self.flag}: {text} was given; it must be {self.expected}.")


def _flag_of(name: str) -> str:
    """Format the name of a field as an option of the command line."""
    return "--" + name.replace("_", "-")


def option_specs(settings_class: Any) -> tuple[OptionSpec, ...]:
    """List the options of a settings class (or of an instance), in the order of its fields.

    Parameters
    ----------
    settings_class : type or Settings
        A dataclass whose fields are options, or an instance of it.

    Returns
    -------
    tuple of OptionSpec
    """
    return tuple(_option_spec(item) for item in fields(settings_class))


def _option_spec(item: "Field[Any]") -> OptionSpec:
    kind: Any = item.type
    is_tuple, is_optional = False, False
    arguments = get_args(kind)
    if get_origin(kind) is tuple and arguments[-1] is Ellipsis:
        kind, is_tuple = arguments[0], True
    elif NoneType in arguments:
        kind, is_optional = next(part for part in arguments if part is not NoneType), True
    return OptionSpec(item.name, item.metadata["option"], kind, is_tuple, is_optional, item.default)
