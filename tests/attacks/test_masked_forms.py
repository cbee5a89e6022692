"""A secret is hidden in whatever form it is written: in texts, and in values of any shape."""

from __future__ import annotations

import json
import time
from typing import Any

from django.test import SimpleTestCase

from durable.showing.masking import HIDDEN, mask, mask_text
from durable.showing.values import line

S = "hunter2"
PATIENCE = 5.0  # seconds for a text that is made to be searched for long
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N"

#: texts as they stand in logs, messages, tracebacks, prompts and comments
TEXTS: tuple[str, ...] = (
    # schemes of authorization
    f"Authorization: Token {S}",
    f"Authorization: Bearer {S}",
    f"authorization: Unheard-Of {S}",
    f"Authorization: Digest username=u, realm=r, response={S}",
    f'curl -H "Authorization: Token {S}" https://example.com',
    f"{{'Authorization': 'Token {S}'}}",
    f"Proxy-Authorization: Basic a {S}",
    f"X-Api-Key: Token {S}",
    f"GET / HTTP/1.1\\r\\nAuthorization: Token {S}\\r\\n",
    # cookies after the first
    f"Cookie: theme=dark; sessionid={S}",
    f"Set-Cookie: a=1, b={S}; Path=/",
    f'Cookie: "a"; b={S}',
    # bytes, and other prefixes of strings
    f"password=b'{S}'",
    f"{{b'password': b'{S}'}}",
    f"token=rb'a {S}'",
    f'secret=f"a {S}"',
    # lists, nested values, calls
    f"passwords=['a', '{S}']",
    f"tokens: [1, 2, {S}]",
    f'{{"password": {{"old": "a", "new": "{S}"}}}}',
    f'{{"password": {{"old": "a", "new": ["{S}", {{"b": "{S}"}}]}}, "n": 1}}',
    f'{{"password": {{"a": "{S}',
    f"password=SecretStr('a {S}')",
    f"password=SecretStr(value=Secret('a {S}'), n=1)",
    f"password=<Secret 'a {S}'>",
    f"password={{'a', '{S}'}}",
    f"password=('a',\n  '{S}')",
    # escaped quotes
    f'"password": "a\\"{S}"',
    f'"password": "a\\" {S}"',
    rf"{{\"password\": \"a\\\" {S}\"}}",
    f"['mysql', '--password', '{S}']",
    f"'password': 'a\\'{S}'",
    rf"{{\"password\": \"a\\\"{S}\"}}",
    f'"password": "a\\\\", "token": "{S}"',
    f"password='it''s {S}'",
    f'password=""{S}',
    f'password="""a {S}"""',
    # pairs
    f"('password', '{S}')",
    f'["Authorization", "{S}"]',
    f"[(b'authorization', b'Token {S}'), (b'host', b'h')]",
    f"os.environ.setdefault('API_KEY', '{S}')",
    f'{{"name": "PASSWORD", "value": "{S}"}}',
    f'{{"value": "{S}", "name": "PASSWORD"}}',
    f'{{"name": "PASSWORD", "type": {{"a": 1}}, "value": "{S}"}}',
    f"name=PASSWORD value={S}",
    # addresses
    f"postgres://u:{S}@h/db",
    f"redis://:{S}@h:6379/0",
    f"amqp://u:p@{S}@h",
    f"postgres://u:a/{S}@h/db",
    f"https://u:{S}@example.com:8000/?a=b@c",
    f"https://h/?a=1&password={S}&b=2",
    f"next=/a%3Fpassword%3D{S}",
    # names
    *(
        f"{name}={S}"
        for name in (
            "pwd", "passwd", "PASSPHRASE", "private_key", "privateKey", "credential", "credentials",
            "sessionid", "session_id", "cvv", "cvc", "jwt", "otp", "pin", "card_pin", "userPin",
            "ssn", "SSN", "x-otp", "client_secret", "api-key", "access_token",
        )
    ),
    f"API key: {S}",
    f"Card PIN: {S}",
    f"x{'y' * 200}_password={S}",
    f"password{' ' * 40}= {S}",
    f"password => {S}",
    f"mysql --password {S} -h h",
    f"deploy --api-key={S}",
    f"<password>{S}</password>",
    f"<a:Token kind='x'>{S}</a:Token>",
    # in JSON inside of JSON
    json.dumps({"body": json.dumps({"password": f"a {S}"})}),
    json.dumps(json.dumps({"a": json.dumps({"token": f'a "{S}'})})),
    f"private_key: -----BEGIN RSA PRIVATE KEY-----\nMII\n{S}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{S}\n-----END PRIVATE KEY-----",
    f"got Bearer {S}-{S}-{S}",
)  # fmt: skip

#: values as they stand in tags, inputs, payloads, answers
VALUES: tuple[Any, ...] = (
    *({"text": text} for text in TEXTS),
    [["Authorization", S]],
    {"headers": [("host", "h"), ("password", S)]},
    {"env": [{"name": "PASSWORD", "value": S}, {"name": "A", "value": "b"}]},
    {"Key": "api_key", "Value": {"a": S}},
    {"value": [S], "name": "token"},
    {"body": json.dumps({"password": S})},
    {"body": json.dumps({"a": json.dumps([["token", S]])})},
    {"body": f'{{"password": "{S}", "password": null}}'},
    {"body": f'[["password", "{S}"]]'},
    {"body": json.dumps({"name": "token", "text": "x" * 5000, "value": S})},
    {"password": {"nested": {"deep": [S]}}},
    {"passwords": [S]},
    {"data": f"password={S}".encode()},
    {"set": {f"password={S}"}},
    {f"password={S}": 1},
    {"argv": ["mysql", "--password", S, "db"]},
    {"user_pin": S, "Card PIN": S},
    {"API key": S},
    {"a": ("password", S)},
)

#: what is no secret stays as it is
HARMLESS: tuple[str, ...] = (
    "shipping: DHL, mapping=1, opinion: good, hotplug=on, lessname: x, pinned: yes",
    "step=charge at 12:30, retries: [1, 2]",
    "see https://example.com:8000/a?b=c@d and ftp://h/a:b",
    "the token is bad, and the password was wrong",
    "('n', 'password')",
    '{"name": "colour", "value": "red"}',
    "--verbose yes --token",
    "Basic rules apply",
)


class TextTests(SimpleTestCase):
    """What a text tells."""

    def test_no_form_of_a_secret_shows_in_a_text(self) -> None:
        for text in TEXTS:
            with self.subTest(text):
                self.assertNotIn(S, mask_text(text))
                self.assertIn(HIDDEN, mask_text(text))

    def test_a_token_that_looks_like_one_is_hidden_without_a_name(self) -> None:
        self.assertEqual(mask_text(f"got {JWT}."), f"got {HIDDEN}.")

    def test_what_is_no_secret_stays(self) -> None:
        for text in HARMLESS:
            with self.subTest(text):
                self.assertEqual(mask_text(text), text)
                self.assertEqual(mask({"a": [text]}), {"a": [text]})

    def test_the_rest_of_the_text_stays(self) -> None:
        for text, masked in (
            (f"password=SecretStr('{S}'), n=1", f"password={HIDDEN}, n=1"),
            (f'{{"password": {{"a": ["{S}"]}}, "n": 1}}', f'{{"password": {HIDDEN}, "n": 1}}'),
            (f"postgres://u:{S}@h/db", f"postgres://u:{HIDDEN}@h/db"),
            (f"('password', '{S}'), 1", f"('password', {HIDDEN}), 1"),
            (f"Cookie: a=1; b={S}\nHost: h", f"Cookie: {HIDDEN}\nHost: h"),
            (f'-H "Authorization: X {S}" -v', f'-H "Authorization: {HIDDEN}" -v'),
        ):
            with self.subTest(text):
                self.assertEqual(mask_text(text), masked)


class ValueTests(SimpleTestCase):
    """What a stored value tells."""

    def test_no_form_of_a_secret_shows_in_a_value(self) -> None:
        for value in VALUES:
            with self.subTest(value):
                self.assertNotIn(S, line(mask(value)))
                self.assertNotIn(S, str(mask(value)))

    def test_what_stands_beside_a_secret_stays(self) -> None:
        value = {"env": [{"name": "TOKEN", "value": S, "n": 1}, {"name": "A", "value": "b"}]}
        hidden = {"env": [{"name": "TOKEN", "value": HIDDEN, "n": 1}, {"name": "A", "value": "b"}]}
        self.assertEqual(mask(value), hidden)
        self.assertEqual(mask({"body": '{"n": 1, "token": 2}'})["body"][:8], '{"n": 1,')


class LongTests(SimpleTestCase):
    """A text that is made to be read again and again is read once."""

    def test_no_text_takes_more_time_than_its_length(self) -> None:
        size = 200_000
        made = (
            "token=(", "token=(\n", 'token="\n', "token='", "name=(\n", "value=(\n", '{"value": ',
            "name=token value=(", "token=[{", 'token=\\"', "token=\\", "name=token, ",
            "cookie: '",
            "-----BEGIN PRIVATE KEY-----", "a://b:c", "<token>", "<token ", "eyJ", "Bearer ",
            "a b=",
            '("token", ', "{", "token=,", "token=a,", "\\", "a.", "-", "token: bearer ", " ", "'",
        )  # fmt: skip
        for piece in made:
            with self.subTest(piece):
                text = piece * (size // len(piece))
                begun = time.monotonic()
                mask_text(text)
                self.assertLess(time.monotonic() - begun, PATIENCE)
