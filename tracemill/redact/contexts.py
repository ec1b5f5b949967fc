"""Phrases in which a secret stands beside other things: calls, forms, wallets, cookies, people's languages.

Like all phrases: one expression each, searched for only where ``tracemill.redact.gate`` saw its ``gate``.
"""

from __future__ import annotations

import re

from tracemill.redact.literals import is_pass_phrase
from tracemill.redact.phrase import QUOTED, Phrase, accept_option, accept_random, accept_strict, accept_word
from tracemill.redact.shapes import is_assigned_password, is_placeholder, is_spoken_password

#: White space, also as JSON writes it.
_SPACE = r"(?:\s|\\[nrt]){0,20}"
_ARGUMENT = r"\\{0,8}(?:\"[^\"\r\n]{0,200}\"|'[^'\r\n]{0,200}'|[$\w.>-]{1,60})"
_CONNECT = r"(?:new[ ]PDO|DBI->connect|getConnection|mysqli(?:_connect)?|(?:pg|odbc|oci|mysql)_p?connect)\("
_WRITE = r"(?:type|fill|send_keys|sendKeys|setValue|set_value|press_sequentially|pressSequentially|val|set)\("
_LATIN = (
    r"passwort|kennwort|mot[ ]de[ ]passe|mdp|senha|palavra-passe|wachtwoord|salasana|has\u0142o|haslo|contrase"
    r"(?:\u00f1|n)a|clave"
    r"|parola(?:[ ]d'ordine|[ ]chiave)?|l\u00f6senord(?:et)?|losenord|adgangskoden?|passord(?:et)?|heslo"
    r"|jelsz\u00f3|\u015fifre|sifre"
    r"|lozinka"
)
#: parol' (Russian), pasuwaado (Japanese), mima and miyao (Chinese, both scripts), bimilbeonho (Korean).
_OTHER = (
    r"[\u041f\u043f\u30d1\u5bc6\ube44](?:(?<=[\u041f\u043f])\u0430\u0440\u043e\u043b[\u044c\u044f]"
    r"|(?<=\u30d1)\u30b9\u30ef\u30fc\u30c9|(?<=\u5bc6)[\u7801\u78bc\u94a5\u9470]|(?<=\ube44)\ubc00\ubc88\ud638)"
)
_IS = (
    r"(?:[ \t]?[:=]|[ \t](?:is|es|ist|est|lautet|lautete|hei(?:\u00df|ss)t|c['\u2019]est|jest|je|\u00e9|\u00e8|e|to"
    r"|\u00e4r|er|on|este|sono|ser[\u00e1a])[ \t]?:?(?=[ \t]))"
)
_TELLING = r"(?=[ \t]{0,2}[!-~\u0080-\uffff]{1,100}[0-9!@#$%^&*+=~])"
_OPENING = r"[ \t]{0,2}(?:[\"'`*\u00ab\u2018\u201c\u201e\u300c\u300e]{1,3}[ \u00a0]?)?"
_ENDS = r"\s\"'`,;|<>(){}\[\]\\*:\u00ab\u00bb\u2018-\u201f\uff1a"
_TOKEN = rf"{_OPENING}([^{_ENDS}]{{5,100}}[^{_ENDS}.])(?![(\[\w])"
#: Where words are written without blanks, and for Cyrillic.
_LETTERS = r"!#-&+\-/0-9=?-Z^_a-z~\u0400-\u04ff"
_OTHER_TOKEN = rf"{_OPENING}([{_LETTERS}.]{{5,100}}[{_LETTERS}])(?![(\[\w])"
_WORD_LIST = r"[a-z]{3,8}(?:[ ][a-z]{3,8}){11,23}"
_PROSE = re.compile(r"(?:^| )(?:the|and|for|are|was|with|from|has)(?: |$)", re.IGNORECASE)
#: ``Berkut.Sosna9``: no name in code has capitals and a number so.
_TITLE_WORDS = re.compile(r"[A-Z][a-z]{2,15}(?:[._-][A-Z]?[a-z]{2,15}){1,3}\d{1,4}[!?]?")
_TITLE = re.compile(r"[A-Z][a-z]+(?:[-_.][A-Z][a-z]+)*\d?")
_NO_WALLET = r"(?:(?!hash|tx|trans|block|root|topic|addr|pub)[\w.])"


def _accept_words(value: str) -> bool:
    """Words drawn from a list: none often, none that sentences are made of."""
    words = value.split()
    return len(words) % 3 == 0 and len(set(words)) >= len(words) - 2 and not _PROSE.search(value)


def _accept_hex(value: str) -> bool:
    return not is_placeholder(value) and len(set(value[2:])) > 6


def _accept_told(value: str) -> bool:
    """What follows a word for "password" in a sentence: letters with digits or signs among them."""
    if is_spoken_password(value) or _TITLE_WORDS.fullmatch(value):
        return True
    has_digit, has_letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    is_telling = len(value) >= 8 or not value.isalnum()
    if not (has_digit and has_letter and is_telling and accept_option(value)):
        return False
    shown = value if value.isupper() else value.lower()  # "Blaue_Wale_22" is no name in code
    return is_assigned_password(shown, False)


def _accept_account(value: str) -> bool:
    """What stands behind an account's name and a slash: capitals, small letters and digits, as few paths have."""
    if not accept_strict(value) or _TITLE.fullmatch(value):
        return False
    return all(any(map(case, value)) for case in (str.isupper, str.islower, str.isdigit))


CONTEXTS: tuple[Phrase, ...] = (
    Phrase(
        "connect",
        "password",
        _CONNECT,
        rf"{_CONNECT}{_SPACE}{_ARGUMENT}{_SPACE},{_SPACE}{_ARGUMENT}{_SPACE},{_SPACE}{QUOTED}",
        accept_word,
    ),
    Phrase(
        "form",
        "password",
        rf"(?:pass|pwd)[^()\n]{{0,}}\)\.(?:clear\(\)\.)?{_WRITE}",
        rf"(?:pass|pwd)[^()\r\n]{{0,40}}\)\.(?:clear\(\)\.)?{_WRITE}[ \t]{{0,2}}{QUOTED}",
        accept_strict,
    ),
    Phrase(
        "random password",
        "password",
        r"random_password",
        r"random_password[^}]{0,600}?\\{0,8}\"result\\{0,8}\"[ \t]{0,3}:[ \t]{0,3}"
        rf"{QUOTED}",
        accept_option,
    ),
    Phrase(
        "seed phrase",
        "seed_phrase",
        r"(?:mnemonic|(?:seed|recovery|backup|secret)[ _-]?phrase|wallet_?seed)",
        rf"(?:mnemonic|(?:seed|recovery|backup|secret)[ _-]?phrase|wallet_?seed)[\w.]{{0,20}}\\{{0,8}}[\"'\]]{{0,2}}"
        rf"(?:[ \t]{{0,3}}[:=]{{1,2}}|[ \t]is:?|\()[ \t\r\n]{{0,4}}\\{{0,8}}[\"'`]?({_WORD_LIST})(?![\w ])",
        _accept_words,
    ),
    Phrase(
        "wallet key",
        "wallet_key",
        r"0x[0-9a-f]{64}",
        r"(?<![a-z])(?:accounts|private[ _-]?keys?|from_?key|startBroadcast|signer|wallet|deployer)"
        rf"{_NO_WALLET}{{0,20}}"
        r"(?:[\s\"'`\\\[({:=,]|\\n){1,30}"
        r"(0x[0-9a-f]{64}(?:[\s\"'\\,]{1,30}0x[0-9a-f]{64}){0,20})(?![0-9a-z])",
        _accept_hex,
    ),
    Phrase(
        "signed cookie",
        "session_cookie",
        r"s%3a[\w-]{20}",
        r"(?<![\w%])s%3A([\w-]{20,64}\.[\w%+/=-]{30,90})(?![\w%+/-])",
        accept_random,
    ),
    Phrase(
        "told password",
        "password",
        r"(?:passwort|kennwort|mot[ ]de[ ]passe|mdp[ ]?(?::|est)|senha|palavra-passe|wachtwoord|salasana|has[l?]o"
        r"|contrase[n?]a|clave|parola|l[o?]senord"
        r"|adgangskode|passord|heslo|jelsz\?|[s?]ifre|lozinka)\w{0,2}[ \t:=]",
        rf"(?<![\w-])(?:{_LATIN})(?:[ \t][\w\u00c0-\u024f@.'\u2019-]{{1,20}}){{0,5}}?{_IS}{_TOKEN}",
        _accept_told,
    ),
    Phrase(
        "told password, English word",
        "password",
        r"(?:la|le|das|il|el|het|[mdt]ein|unser|mon|ton|mi|mia)[ ](?:password|pass|pwd?|pin)"
        r"(?:[ ][\w?.@-]{1,}){0,}[ ](?:ist|est|lautet|c.est|es|is|\?)[ ]",
        r"(?<![\w-])(?:la|le|das|il|el|het|mein|dein|unser|mon|ton|mia|mi)[ ](?:password|pass|pw|pwd|pin)"
        r"(?:[ \t][\w\u00c0-\u024f@.-]{1,20}){0,5}?"
        rf"[ \t](?:ist|lautet|est|c['\u2019]est|es|\u00e8|\u00e9|is)[ \t]?:?(?=[ \t]){_TOKEN}",
        _accept_told,
    ),
    Phrase(
        "told password, other scripts",
        "password",
        r"\?\?[?\w \t.-]{0,}[:=?][ \t]{0,}[\"'`*]{0,3}[!-~]{0,}[0-9!@#$%^&*+=~]",  # letters beyond ASCII are ? there
        rf"(?:{_OTHER})(?:[ \t][\w.\u0080-\uffff-]{{1,20}}){{0,5}}?"
        rf"(?:[ \t]?[:\uff1a=]|[ \t]\u044d\u0442\u043e(?=[ \t])|[ \t]?[\u306f\u662f\ub294\uc740][:\uff1a]?"
        r"|[ \t][\u2013\u2014](?=[ \t]))"
        rf"{_TELLING}{_OTHER_TOKEN}",
        _accept_told,
    ),
    Phrase(
        "login pair",
        "password",
        r"(?:log-?in|sign[ ]in|account|credentials?|creds|zugang|zugangsdaten|identifiants?)(?:[ \t](?:is|are|with|as"
        r"|using|sind|sont):?|:)?[ \t]{1,2}"
        r"(?:the[ ]|user[ ])?[`\"']?[\w.@+-]{1,}[`\"']?(?:[ \t]{1,2}/[ \t]|[:/][\w.-]{0,}[!@#$%^&*+=~])",
        r"(?<![\w-])(?:log-?in|credentials?|creds|zugang(?:sdaten)?|identifiants?)(?:[ \t](?:is|are|with|as|sind"
        r"|sont)\b:?|:)?[ \t]{1,2}"
        rf"[`\"']?[\w.@+-]{{1,60}}[`\"']?[ \t]{{1,2}}/(?=[ \t]){_TOKEN}",
        accept_strict,
    ),
    Phrase(
        "login pair",
        "password",
        "",
        r"(?<![\w-])(?:log-?in|sign[ ]in|account|creds|credentials?)(?:[ \t](?:is|are|with|as|using))?:?[ \t]{1,2}"
        r"(?:the[ \t]|user[ \t])?"
        rf"[`\"']?(?-i:[a-z][\w.@+-]{{1,40}})[:/](?=[\w.-]{{0,40}}[!@#$%^&*+=~])(?!//){_TOKEN}",
        is_spoken_password,
    ),
    Phrase(
        "login told",
        "password",
        r"(?:log[ ]?in|sign[ ]in|creds|credentials)(?:[ ][\w.@'?>-]{1,}){1,}[ ][/:][ ][^\s]{6}",
        r"(?<![\w-])(?:log[ ]?in|sign[ ]in|creds|credentials)(?:[ ][\w.'\u2192>-]{1,20}){1,9}?[ ]"
        rf"[\w.+-]{{2,40}}(?:@[\w.-]{{1,60}})?[ ][/:](?=[ ]){_TOKEN}",
        _accept_account,
    ),
    Phrase(
        "account pair",
        "password",
        r"(?:account|konto)[ \t:]{1,}[`\"']?[\w.@+-]{1,}[`\"']?[ \t]{1,}/[ \t]",
        r"(?<![\w-])(?:account|konto)(?:[ \t]|:[ \t]{0,2})"
        rf"[`\"']?[\w.@+-]{{2,60}}[`\"']?[ \t]{{1,2}}/(?=[ \t]){_TOKEN}",
        _accept_account,
    ),
    Phrase(
        "app password",
        "password",
        r"app(?:lication)?[ _-]?(?:specific[ _-])?pass(?:word|code)?",
        r"(?<![\w-])app(?:lication)?[ _-]?(?:specific[ _-])?pass(?:word|code)?[^\r\n]{0,30}?[ :=\"'`]"
        r"([a-z]{4}(?:[ ][a-z]{4}){3})(?![\w ])",
        is_pass_phrase,
    ),
    Phrase(
        "words as a password",
        "password",
        r"(?:password|phrase|passcode|[ ]pwd?)(?:[ \t](?:for|of|on|to)[ \t][\w.@ -]{1,})?[ \t]is:?[ \t]{1,2}"
        r"(?:[a-z]{3,}(?:[ ][a-z]{3,}){1,}[ ]\d|\\{0,}[\"'`?][a-z]{3,}(?:[ -][a-z0-9]{2,}){2,})",
        r"(?<![\w-])(?:pass(?:word|[ ]?phrase|code)|pw|pwd)(?:[ \t](?:for|of|on|to)"
        r"(?:[ \t][\w.@-]{1,20}){1,4}?)?[ \t]is:?[ \t]{1,2}"
        r"(?:\\{0,8}[\"'`\u201c]([a-z]{3,12}(?:[ -][a-z0-9]{2,12}){2,6})\\{0,8}[\"'`\u201d]|([a-z]{3,12}"
        r"(?:[ ][a-z]{3,12}){1,4}[ ]\d{1,4})"
        r"(?=[ ](?:for|on|to|and|but|in|at)\b|[,.;!)\r\n]|\\|\Z))",
        is_pass_phrase,
    ),
)
