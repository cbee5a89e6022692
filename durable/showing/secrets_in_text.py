"""Find the secrets in a text (log, code, JSON, headers, URL): values of secret-looking names.

Each text is read once, in time proportional to its length. A value that is not closed, as in a
text that was cut, is hidden to the end of the text: better too much than a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

Fits = Callable[[str], bool]


class Span(NamedTuple):
    """A range of a text that is hidden."""

    begin: int
    end: int


#: A name with the separator before its value: ``name=``, ``name: ``, ``"name": ``,
#: ``\"name\" => ``, ``("name", ``, ``--name ``. A name begins only where a word does, so that a
#: long word is read once.
_NAME = re.compile(
    r"""(?<![\w.-])(?P<word>[\w.-]++)(?P<close>\\*+["'])?"""
    r"""(?P<sep>\s*+(?:[=:]>?|%3[dDaA])\s*+|(?P<pair>\s*+,\s*+)|(?P<flag>[ \t]++(?=[^\s-])))"""
)
_WORD = re.compile(r"[\w.-]{1,50}")
_NAMED = re.compile(r"""[bru]{0,2}\\{0,64}["']?(?P<name>[\w.-]{1,100}+)(?![\w.-])""")
_OPENED = re.compile(r"""[(\[]\s{0,9}[bru]{0,2}\\{0,64}["']\Z""")
_QUOTE = re.compile(r"""\\*["']""")
_SCHEME = re.compile(
    r"(?:bearer|basic|token|digest|api-?key|jwt|negotiate|oauth|hmac)[ ]++(?=[^\s,;&}\])])",
    re.IGNORECASE,
)
_ARMOUR = re.compile(r"-----BEGIN [A-Z ]{0,60}?PRIVATE KEY(?: BLOCK)?-----")
_BARE = re.compile(
    r"""(?:[^\s,;&}\])"'(\[{\\]|\\+(?!["'\\])|[,;](?=[^\s"'}\])])(?![\w.-]++\\*+["']?\s*+[=:]))++"""
)
_BRACKET = re.compile(r"""\\*["']|[()\[\]{}]""")
_AFTER = re.compile(r"[\s,;:.&}\])]|\Z")
_CLOSES = {"(": ")", "[": "]", "{": "}"}

#: The ends of names of headers whose whole line is secret.
_LINE = ("authorization", "cookie")

#: Keys with the name of a value that has a key of its own beside it, and the keys of that value.
NAMING = frozenset({"name", "key", "field", "header", "param", "parameter", "variable", "option"})
VALUES = frozenset({"value", "values", "val", "content"})
NEAR = 400  # the most characters between the two

PLAIN_NAME = re.compile(r"[\w.-]{1,100}( [\w.-]{1,100})?")

#: Secrets without a name: the password in an address, tokens with a shape of their own.
_BY_THEMSELVES = re.compile(
    r"""(?<![\w+.-])[a-zA-Z][\w+.-]{0,30}://[^\s:/@"'<>]{0,200}:"""
    r"""(?!\d{1,5}(?:[/?\#\s"']|\Z))(?P<password>[^\s"'<>]{1,500})@"""
    r"""|\beyJ[\w-]{5,}\.eyJ[\w-]{2,}\.[\w-]*"""
    r"""|\b(?:[Bb]earer|[Bb]asic)[ ]++(?P<token>[\w.~+/=-]{16,})"""
    r"""|<(?P<element>[\w.:-]{1,100})(?:\s[^<>]{0,1000})?>(?P<inside>[^<]{1,10000})"""
)


def spans(text: str, fits: Fits) -> Iterator[Span]:
    """The ranges to hide, in order; no two overlap."""
    open_one = Span(0, 0)
    for span in sorted([*_Reader(text, fits).named(), *_unnamed(text, fits)]):
        if span.begin < open_one.end:
            open_one = Span(open_one.begin, max(open_one.end, span.end))
            continue
        if open_one.end:
            yield open_one
        open_one = span
    if open_one.end:
        yield open_one


def _unnamed(text: str, fits: Fits) -> Iterator[Span]:
    for found in _BY_THEMSELVES.finditer(text):
        if found["element"] is not None:
            if fits(found["element"]):
                yield Span(*found.span("inside"))
        else:
            group = "password" if found["password"] is not None else "token"
            yield Span(*found.span(group if found[group] is not None else 0))
    end = 0
    for armour in _ARMOUR.finditer(text):
        if armour.start() >= end:
            end = _armour_end(text, armour.start())
            yield Span(armour.start(), end)


def _armour_end(text: str, begin: int) -> int:
    last = text.find("-----END", begin)
    end = text.find("-----", last + 8) if last >= 0 else -1
    return end + 5 if end >= 0 else len(text)


@dataclass
class _Reader:
    """Reads one text from its beginning to its end."""

    text: str
    fits: Fits
    unclosed: set[str] = field(default_factory=set)  # quotes that do not occur in the rest
    said: int | None = None  # the end of the last naming key whose value is a secret-looking name
    held: int | None = None  # the beginning of the last value that may belong to a naming key

    def named(self) -> Iterator[Span]:
        """The values of secret-looking names."""
        hidden = 0
        for name in _NAME.finditer(self.text):
            if name.start() < hidden or not self._is_name(name):
                continue
            if self._secret(name):
                span = Span(name.end(), self._end(name))
                hidden = span.end
                yield span
            elif found := self._beside(name):
                hidden = max(hidden, found.end)
                yield found

    def _is_name(self, name: re.Match[str]) -> bool:
        """Whether a value follows: an option needs dashes, a pair its bracket and quotes."""
        if name["flag"] is not None:
            return name["word"].startswith("-") and name["close"] is None
        if name["pair"] is not None:
            before = self.text[max(0, name.start() - 80) : name.start()]
            first = name["word"].startswith("-") or _OPENED.search(before) is not None
            return name["close"] is not None and first
        return True

    def _secret(self, name: re.Match[str]) -> bool:
        word, start = name["word"], name.start()
        if self.fits(word):
            return True
        if self.text[start - 1 : start] == "\\" and self.fits(word[1:]):  # an escape (\n) before it
            return True
        if self.text[start - 1 : start] != " ":
            return False
        before = self.text[max(0, start - 50) : start - 1].rpartition(" ")[2]
        if not _WORD.fullmatch(before) or self.fits(before):
            return False
        return self.fits(f"{before} {word}")

    # -- a name as the value of a key: {"name": "PASSWORD", "value": …} ----------------------------

    def _beside(self, name: re.Match[str]) -> Span | None:
        word = name["word"].lower()
        if word in NAMING:
            named = _NAMED.match(self.text, name.end())
            if named is not None and self.fits(named["name"]):
                self.said = name.end()
                if self._together(self.held, name.start()):
                    return self._value(self.held)
        elif word in VALUES:
            if self._together(self.said, name.start()):
                return self._value(name.end())
            self.held = name.end()
        return None

    def _value(self, begin: int | None) -> Span | None:
        """The value that a naming key beside it makes secret; each value is taken once."""
        self.held = None
        return None if begin is None else Span(begin, self._pieces(begin))

    def _together(self, begin: int | None, end: int) -> bool:
        """Whether both places are near, and in the same pair of braces."""
        if begin is None or not 0 <= end - begin <= NEAR:
            return False
        depth = 0
        for character in self.text[begin:end]:
            depth += (character == "{") - (character == "}")
            if depth < 0:
                return False
        return depth == 0

    # -- how far a value goes ----------------------------------------------------------------------

    def _end(self, name: re.Match[str]) -> int:
        begin, text = name.end(), self.text
        plain = name["word"].lower().replace("-", "").replace("_", "")
        if name["pair"] is None and any(one in plain for one in _LINE):
            quoted = _QUOTE.match(text, begin) is not None or name["close"] is not None
            end = self._pieces(begin) if quoted else begin
            rest = text[end : end + 20].lstrip(" \t")
            if not quoted or (name["close"] is None and rest.startswith(";")):
                return self._line_end(name, end)
            return end
        armour = _ARMOUR.match(text, begin)
        return _armour_end(text, begin) if armour else self._pieces(begin)

    def _line_end(self, name: re.Match[str], begin: int) -> int:
        """The end of the line, or before it the closing quote of a string around the name."""
        text = self.text
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        opened = re.search(r"""\\{0,64}["']\Z""", text[max(0, name.start() - 70) : name.start()])
        if opened is not None:
            closing = self._closing(opened[0], begin)
            if closing is not None and closing[0] <= end:
                return closing[0]
        return end

    def _pieces(self, begin: int) -> int:
        """The end of a value: strings, brackets and bare characters without a space between."""
        text, at = self.text, begin
        if scheme := _SCHEME.match(text, at):
            at = scheme.end()
        if text[at : at + 1] == "<":
            line = text.find("\n", at)
            closed = text.find(">", at, len(text) if line < 0 else line)
            at = closed + 1 if closed >= 0 else at
        while at < len(text):
            if quote := _QUOTE.match(text, at):
                end = self._string(quote, at > begin)
                at = end
                if end == quote.end() and _AFTER.match(text, end):
                    return end
            elif text[at] in _CLOSES:
                at = self._bracket(at)
            elif bare := _BARE.match(text, at):
                at = bare.end()
            elif text[at] == "\\":
                at += 1
            else:
                break
        return at

    def _string(self, quote: re.Match[str], within: bool) -> int:
        """The end of the string that a quote opens; inside a value the quote may close a string."""
        text, at = self.text, quote.end()
        if within and _AFTER.match(text, at):
            return at
        mark = quote[0]
        if text.startswith(mark[-1] * 2, at) and len(mark) == 1:
            end = text.find(mark[-1] * 3, at + 2)
            return end + 3 if end >= 0 else len(text)
        closing = self._closing(mark, at)
        if closing is not None:
            return closing[1]
        end = text.find("\n", at)
        return len(text) if end < 0 else end

    def _closing(self, mark: str, begin: int) -> Span | None:
        """The quote that closes a string opened by ``mark`` (backslashes and a quote)."""
        if mark in self.unclosed:
            return None
        slashes, quote = len(mark) - 1, mark[-1]
        at = self.text.find(quote, begin)
        while at >= 0:
            first = at
            while first > begin and self.text[first - 1] == "\\":
                first -= 1
            run = at - first
            if run < slashes:
                return Span(first, first)  # the string around it ends here
            if (run - slashes) % (2 * (slashes + 1)) == 0:
                return Span(at - slashes, at + 1)
            at = self.text.find(quote, at + 1)
        self.unclosed.add(mark)
        return None

    def _bracket(self, begin: int) -> int:
        """The end of the bracket opened at ``begin``, nested brackets and strings included."""
        text, at, open_ones = self.text, begin, list[str]()
        while token := _BRACKET.search(text, at):
            at = token.end()
            if token[0] in _CLOSES:
                open_ones.append(_CLOSES[token[0]])
            elif token[0][-1] in "\"'":
                closing = self._closing(token[0], at)
                at = at if closing is None else max(at, closing.end)
            elif open_ones and token[0] in open_ones:
                while open_ones.pop() != token[0]:
                    pass
                if not open_ones:
                    return at
        return len(text)
