"""Whether letters are drawn by chance: keys that have no digit, which no word and no name of code looks like.

Source: counted in the words and names of 9,000 files, of Python's library and of the packages of this project.
"""

from __future__ import annotations

#: The 150 pairs of letters that are most of all pairs there: 83 %. Of letters drawn by chance they are 22 %.
_PAIRS = """
ab ac ad ag ai al am an ap ar as at ay ba be bl ca ce ch ci ck cl co ct da de di do ea ec ed ee ef eg el
em en ep er es et ex fe fi fo ge gr ha he hi ho ia ic id ie if ig il im in io ir is it iv iz ke la le li
ll lo lt lu ly ma me mi mo mp na nc nd ne nf ng ni no ns nt oc od ol om on oo op or os ot ou ow pa pe pl
po pr pt pu qu ra re ri rm ro rr rs rt sc se sh si so sp ss st su ta te th ti to tr ts tt tu ty ue ul um
un up ur us ut va ve vi yp ze
"""
_COMMON_PAIRS = frozenset(_PAIRS.split())
_MIN_PAIRS = 13


def is_unspoken(value: str) -> bool:
    """Whether letters follow one another as in no word: 14 and more of which half the pairs are uncommon ones.

    So it takes 98 % of 16 letters drawn by chance, and all but 0.2 % of 32. ``abcdef`` and ``xxxx`` are no chance.
    """
    letters = value.lower()
    pairs = [pair for pair in map(str.__add__, letters, letters[1:]) if pair.isascii() and pair.isalpha()]
    if len(pairs) < _MIN_PAIRS or sum(map(_COMMON_PAIRS.__contains__, pairs)) >= len(pairs) / 2:
        return False
    return sum(map(_is_step, pairs)) <= len(pairs) / 3


def _is_step(pair: str) -> bool:
    """Whether a letter follows itself or the one before it in the alphabet."""
    return 0 <= ord(pair[1]) - ord(pair[0]) <= 1
