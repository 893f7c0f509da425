"""Whether a form asks for a secret: a password, a one-time code, a key or the number of a card.

Servers must not ask for these by a form (MCP, elicitation). Texts are compared without case, accents,
invisible characters, and separators within a word; a character that looks like a Latin letter counts as it.

Not noticed: languages that are not below, a word that is spelt wrongly, and a paraphrase ("what you type to
sign in"). So every card of a server also says that no question asks for a secret. Refused without need: texts
that name a secret and do not ask for it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

_WITHIN_WORDS: Final = """
    password passwd pass-wd cvv pass-phrase pass-code pass-word secret credential token api-key access-key
    private-key secret-key signing-key recovery-phrase seed-phrase mnemonic one-time-code one-time-pass
    single-use-code authenticator-code authenticator-app verification-code confirmation-code security-code
    sms-code login-code sign-in-code access-code recovery-code backup-code authentication-code auth-code
    2fa-code mfa-code pin-code credit-card-number card-number passwort kennwort geheimzahl bestatigungs-code
    sicherheits-code einmal-code zugangs-code zugangsdaten transaktionsnummer mtan kreditkartennummer
    wachtwoord verificatie-code toegangs-code contrasena clave-de-acceso clave-secreta su-clave tu-clave
    codigo-de-verificacion codigo-de-seguridad codigo-de-acceso codigo-de-confirmacion numero-de-tarjeta
    mot-de-passe code-de-verification code-de-confirmation code-de-securite code-secret code-confidentiel
    cle-privee numero-de-carte palavra-passe codigo-de-verificacao codigo-de-seguranca numero-do-cartao
    parola-d-ordine codice-di-verifica codice-di-sicurezza codice-di-conferma пароль пароля пароли
    код-подтверждения код-из-смс проверочный-код одноразовый-код секретн пин-код код-підтвердження haslo
    kod-weryfikacyjny dogrulama-kodu sifreniz parolaniz mat-khau ma-xac-minh ma-xac-thuc kata-sandi
    kode-verifikasi 密码 密碼 口令 密钥 密鑰 金鑰 私钥 私鑰 验证码 驗證碼 校验码 校驗碼 动态码 動態碼 安全码
    安全碼 认证码 認證碼 确认码 確認碼 短信码 一次性代码 令牌 助记词 助記詞 登录凭据 银行卡号 信用卡号
    銀行卡號 信用卡號 パスワード 暗証番号 認証コード 確認コード ワンタイム セキュリティコード 合言葉 秘密鍵
    비밀번호 암호 인증번호 인증코드 일회용 보안코드 كلمة-المرور كلمة-السر رمز-التحقق รหัสผ่าน पासवर्ड ओटीपी
    סיסמה
"""
"""A hyphen stands for separators, or none."""
_AS_WORDS: Final = "pin pwd otp totp cvv cvv2 cvc cvc2 2fa mfa senha senhas sifre пин"
"""They count as words of their own: longer words contain them by chance."""
_CODE: Final = r"\b(?:codes?|digits?|codigo|codice|kod|kode|koд)\b"
_ARRIVED: Final = r"\b(?:sent|texted|receive[ds]?|sms|authenticat\w*|login)\b"
_ARRIVED_CODES: Final = re.compile(
    rf"{_CODE}.{{0,60}}{_ARRIVED}|{_ARRIVED}.{{0,60}}{_CODE}"
    r"|\bcode (?:from|on|in|shown).{0,30}\b(?:phone|app|device|mobile|e-?mail)\b"
    r"|\b(?:\d|four|five|six|seven|eight)[ -]?digit"
    r"|(?:短信|手机|邮箱|邮件|收到|发送|发给|簡訊|手機).{0,12}(?:(?<!号)码|(?<!號)碼|数字|數字)"
)
"""A code that was sent to the person."""

_LETTERS: Final = """
    аa вb сc еe ёe ԁd һh іi їi јj кk мm нh оo рp ԛq ѕs тt уy ѵv ԝw хx ьb ӏl αa βb ϲc εe
    γy ηn ιi ϳj κk νv οo ρp τt υu χx ωw ɑa ʙb ᴄc ᴅd ᴇe ꜰf ɡg ɢg ʜh ɩi ıi ɪi ᴊj ᴋk ʟl ᴍm
    ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz łl øo đd ᴀa օo սu ոn հh ցg յj Ꭺa Ꮯc Ꭰd Ꭼe Ꮋh Ꮖi Ꭻj
    Ꮶk Ꮮl Ꮇm Ꮎo Ꮲp Ꭱr Ꮪs Ꭲt Ꮩv Ꮃw Ꮤw Ꮓz
"""
"""Letters that look like a Latin one, which follows, after case folding."""
_DIGITS: Final = "0o 1i 3e 4a 5s 7t 8b 9g @a $s !i |i li"
"""Characters that are written for the letter that follows. `l` and `i` are one letter."""


def asks_for_secret(texts: Iterable[str]) -> bool:
    """Whether one of `texts` names a secret."""
    return any(_names_secret(text) for text in texts)


def texts_of(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """All texts in a JSON value, and the names of members."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]


def _names_secret(text: str) -> bool:
    latin = _latin(text)
    if _ARRIVED_CODES.search(latin):
        return True
    skeleton = _skeleton(latin)
    return any(map(_has_word, {skeleton, skeleton.replace("vv", "w").replace("rn", "m")}))


def _has_word(skeleton: str) -> bool:
    words = _words()
    joined = _joined(skeleton)
    if any(word in joined for word in words.within) or not words.alone.isdisjoint(joined.split()):
        return True
    together = joined.replace(" ", "")
    return any(word in together for word in words.long)


def _latin(text: str) -> str:
    """`text` in lower case, with Latin letters where others look like them, and spaces between the parts of a
    name.
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", apart).casefold())
    visible = "".join(char for char in folded if unicodedata.category(char) not in ("Mn", "Cf"))
    return unicodedata.normalize("NFC", visible).translate(_table(_LETTERS)).replace("_", " ")


def _skeleton(latin: str) -> str:
    """One text for all that look alike."""
    return latin.translate(_table(_DIGITS))


def _joined(skeleton: str) -> str:
    """`skeleton` with spaces as separators, and a word that is spelt letter by letter as one."""
    return _BETWEEN_LETTERS.sub("", _SEPARATORS.sub(" ", skeleton))


_SEPARATORS: Final = re.compile(r"[\W_]+")
_BETWEEN_LETTERS: Final = re.compile(r"(?<=\b\w) (?=\w\b)")
_LONG: Final = 8
"""Letters of a word that others do not form by chance."""
_CJK: Final = "\u2e80"
"""The first ideograph: a word of these is found across separators too."""


@cache
def _table(pairs: str) -> dict[int, str]:
    """Translates the first character of each pair into the second."""
    return {ord(pair[0]): pair[1] for pair in pairs.split()}


class _Words(NamedTuple):
    within: tuple[str, ...]
    long: tuple[str, ...]
    alone: frozenset[str]


@cache
def _words() -> _Words:
    """The words, as texts are compared. They are made when the first form is read."""
    skeletons = [_skeleton(_latin(word)) for word in _WITHIN_WORDS.split()]
    together = [_joined(skeleton).replace(" ", "") for skeleton in skeletons]
    return _Words(
        within=(*together, *map(_joined, skeletons)),
        long=tuple(word for word in together if len(word) >= _LONG or word > _CJK),
        alone=frozenset(_skeleton(_latin(word)) for word in _AS_WORDS.split()),
    )
