"""Forms of servers that ask for a secret are recognised, in several spellings and languages."""

import pytest

from tools.secret_question import asks_for_secret, texts_of

pytestmark = pytest.mark.promise("servers-cannot-steer")

SECRETS = """
    Your password please
    Please enter the one-time code
    раssword
    pаsswоrd
    p a s s w o r d
    p.a.s.s.w.o.r.d
    pass wo rd
    ｐａｓｓｗｏｒｄ
    𝓹𝓪𝓼𝓼𝔀𝓸𝓻𝓭
    p@ssw0rd
    passvvord
    Pa$$word
    PASSWORD
    userPin
    otpCode
    OTP
    P.I.N.
    p1n
    CVV
    Enter the 6-digit code
    Type the code we sent you
    the code from your phone
    请输入密码
    请输入验证码
    输入短信中的数字
    驗證碼
    パスワードを入力
    ﾊﾟｽﾜｰﾄﾞ
    비밀번호
    contraseña
    Ihr Kennwort
    Benutzerpasswort
    mot de passe
    senha
    пароль
    код подтверждения
    hasło
    şifre
    mật khẩu
    كلمة المرور
    รหัสผ่าน
    पासवर्ड
    סיסמה
    API key
    api_key
    accessKey
    privateKey
    sеcret
    ｔｏｋｅｎ
    t o k e n
    ᴘᴀꜱꜱᴡᴏʀᴅ
    Ꮲassword
    credit card number
    seed phrase
    pass\u200bword
    pa\u00adssword
    ᏢᎪᏚᏚᏔᎾᎡᎠ
    authenticator app
    验 证 码
    pass_word
    pass-phrase
    user_pin
"""
OTHERS = """
    How many copies?
    Which account?
    Choose one time for the meeting
    Send it to Kent
    Pay 5 to Ken
    Postal code
    Country code
    Shipping address
    What is your name?
    Colour: tan
    Hotpot
    pinned message
    会员编号
    选择日期
    单位
    请选择数量
    Cheques
    Savings
    Where should it be sent?
    phone number
    E-mail
    Discount code
    Passenger
    Passport expiry
    Your opinion
    Desenhar
    Keyword
    palabra clave
    codice fiscale
    Kode pos
    数字
    手机号码
    确认预订
    安全 说明
    account number
    email
    2025-01-01
    properties
    required
    additionalProperties
    minLength
    oneOf
    const
    title
    description
    default
    enumNames
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("text", lines(SECRETS))
def test_text_that_names_a_secret_is_recognised(text: str) -> None:
    assert asks_for_secret(["How many?", text])
    assert asks_for_secret([f"Bank: {text}, please."])


@pytest.mark.parametrize("text", lines(OTHERS))
def test_other_text_is_not(text: str) -> None:
    assert not asks_for_secret([text])


def test_all_texts_of_a_form_are_looked_at() -> None:
    form = {"title": "a", "properties": {"b": {"enum": ["c", 1], "oneOf": [{"const": "d", "title": "e"}]}}}
    names = ["title", "properties", "enum", "oneOf", "const"]
    assert sorted(texts_of(form)) == sorted(["a", "b", "c", "d", "e", "title", *names])
