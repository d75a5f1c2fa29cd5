"""Sentences that options contribute to the methods text of an output dataset (CITATION.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any

# Parts of the methods text, in its order; options follow each other as their fields do.
SECTIONS = ("cleaning", "pooling", "windows")


@dataclass(frozen=True)
class Sentences:
    """What the methods text says of an option's value; ``$name`` stands for the value of any option.

    Attributes
    ----------
    section : str
        One of `SECTIONS`.
    on : str
        Sentence of a value that none of the others is for.
    off : str
        Sentence of None, 0, False, and of `off_value`.
    auto : str, or function of (dict of str to value) to str
        Sentence of ``auto``; a function where it depends on other options.
    choices : dict of str to str
        Sentences of single values, which come before `on` and `off`.
    off_value : object
        Further value that counts as off.
    """

    section: str
    on: str = ""
    off: str = ""
    auto: str | Callable[[Mapping[str, Any]], str] = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    off_value: object = None

    def choose(self, name: str, values: Mapping[str, Any]) -> str:
        """Choose the sentence of an option.

        Parameters
        ----------
        name : str
            Of the option.
        values : dict of str to value
            Of all options.

        Returns
        -------
        str
            Empty where there is nothing to say.

        Raises
        ------
        KeyError
            If there are sentences for some choices and this is none of them.
        """
        value = values[name]
        if self.choices:
            return self.choices[value]
        if value == "auto":
            return self.auto if isinstance(self.auto, str) else self.auto(values)
        return self.off if not value or value == self.off_value else self.on


def methods_text(sentences: Mapping[str, Sentences], values: Mapping[str, Any]) -> dict[str, str]:
    """Write in words what the science settings did.

    Parameters
    ----------
    sentences : dict of str to Sentences
        Of the options that have any, in the order of their fields.
    values : dict of str to value
        Names of options to what JSON can hold; see `science_settings`.

    Returns
    -------
    dict of str to str
        A text for each of `SECTIONS`, one sentence a line.
    """
    texts = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in values.items()}
    lines: dict[str, list[str]] = {section: [] for section in SECTIONS}
    for name, one in sentences.items():
        lines[one.section].append(one.choose(name, values))
    return {
        section: Template("\n".join(filter(None, chosen))).substitute(texts)
        for section, chosen in lines.items()
    }
