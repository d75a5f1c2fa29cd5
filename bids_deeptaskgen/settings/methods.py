"""Sentences of options for the methods text of an output dataset (CITATION.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any

# Sections of the methods text, in order; within a section, sentences follow the order of the fields.
SECTIONS = ("cleaning", "pooling", "windows", "calibration")


@dataclass(frozen=True)
class Sentences:
    """Sentences on an option's value in the methods text; ``$name`` stands for the value of any option.

    Attributes
    ----------
    section : str
        One of `SECTIONS`.
    sentence : str
        Sentence for a value that no other attribute covers.
    off_sentence : str
        Sentence for None, 0, False and `off_value`.
    auto_sentence : str, or function of (dict of str to value) to str
        Sentence for ``auto``; a function if it depends on other options.
    choices : dict of str to str
        Sentences of single values; they take precedence over all other sentences.
    off_value : object
        Further value that means off.
    """

    section: str
    sentence: str = ""
    off_sentence: str = ""
    auto_sentence: str | Callable[[Mapping[str, Any]], str] = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    off_value: object = None

    def choose(self, name: str, values: Mapping[str, Any]) -> str:
        """Choose the sentence of an option.

        Parameters
        ----------
        name : str
            Name of the option.
        values : dict of str to value
            Values of all options.

        Returns
        -------
        str
            Empty if the option has no sentence for this value.

        Raises
        ------
        KeyError
            If `choices` is not empty and lacks the value.
        """
        value = values[name]
        if self.choices:
            return self.choices[value]
        if value == "auto":
            auto = self.auto_sentence
            return auto if isinstance(auto, str) else auto(values)
        return self.off_sentence if not value or value == self.off_value else self.sentence


def methods_text(sentences: Mapping[str, Sentences], values: Mapping[str, Any]) -> dict[str, str]:
    """Describe the settings that affect the maps, in sentences.

    Parameters
    ----------
    sentences : dict of str to Sentences
        Sentences by option, in the order of the fields.
    values : dict of str to value
        Values by option, as JSON holds them; see `science_settings`.

    Returns
    -------
    dict of str to str
        A text for each of `SECTIONS`, one sentence per line.
    """
    texts = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in values.items()}
    lines: dict[str, list[str]] = {section: [] for section in SECTIONS}
    for name, entry in sentences.items():
        lines[entry.section].append(entry.choose(name, values))
    return {
        section: Template("\n".join(filter(None, section_lines))).substitute(texts)
        for section, section_lines in lines.items()
    }
