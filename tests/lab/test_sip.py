"""SIP on paper: what a phone understands, what it throws away, what it never writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.lab import sip

INVITE = (
    b"INVITE sip:1301@127.0.112.1:6000 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.12.1:5060;rport;branch=z9hG4bKPj1\r\n"
    b'f: "\xe5\x8d\x97\xe4\xba\xac12345" <sip:13800000001@127.0.12.1>;tag=abc\r\n'
    b"t: <sip:1301@127.0.112.1>\r\n"
    b"i: 4711\r\n"
    b"CSeq: 22 INVITE\r\n"
    b"X-CC-CallId: nanjing-1795394440.595\r\n"
    b"Subject: folded\r\n over two lines\r\n"
    b"l: 3\r\n\r\nv=0"
)


def test_short_header_names_and_folded_lines_are_understood() -> None:
    message = sip.read(INVITE)
    assert (message.method, message.number, message.status) == ("INVITE", 22, 0)
    assert message.call_id == "4711"
    assert message.branch == "z9hG4bKPj1"
    assert message.header("x-cc-callid") == "nanjing-1795394440.595"
    assert message.header("Subject") == "folded over two lines"
    assert message.body == "v=0"


def test_a_chinese_display_name_survives() -> None:
    message = sip.read(INVITE)
    assert message.header("from").startswith('"南京12345"')
    assert sip.user_of(message.header("from")) == "13800000001"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\r\n\r\n",
        b"hello",
        b"\xff\xfe\x00\x01" * 30,
        INVITE.replace(b"i: 4711\r\n", b""),
        INVITE.replace(b"22 INVITE", b"22 BYE"),
        INVITE.replace(b"22 INVITE", b"many INVITE"),
        INVITE.replace(b"SIP/2.0\r\nv:", b"SIP/3.0\r\nv:"),
        INVITE.replace(b"Subject:", b"Subject"),
    ],
)
def test_what_is_not_sip_is_refused(datagram: bytes) -> None:
    with pytest.raises(sip.MalformedSip):
        sip.read(datagram)


@given(st.binary(max_size=400))
def test_no_datagram_breaks_the_reader(datagram: bytes) -> None:
    for candidate in (datagram, INVITE[: len(datagram)] + datagram, INVITE[:-3] + datagram):
        try:
            sip.read(candidate)
        except sip.MalformedSip:
            continue


def test_a_line_break_in_a_header_is_never_written() -> None:
    with pytest.raises(ValueError, match="line break"):
        sip.write("OPTIONS sip:a@b SIP/2.0", [("From", "x\r\nX-CC-Home: nanjing")])


def test_content_length_counts_bytes_not_characters() -> None:
    written = sip.write("MESSAGE sip:a@b SIP/2.0", [("To", "<sip:a@b>")], "扬州")
    assert b"Content-Length: 6\r\n" in written


def test_a_response_carries_our_tag_and_every_via() -> None:
    request = sip.read(INVITE.replace(b"f: ", b"Via: SIP/2.0/UDP 127.0.1.12;branch=z9hG4bKother\r\nf: "))
    answer = sip.read(sip.response(request, 180, "Ringing", "ours"))
    assert len(answer.every("via")) == 2
    assert sip.tag_of(answer.header("to")) == "ours"
    assert sip.tag_of(answer.header("from")) == "abc"


def test_the_digest_of_the_standard_comes_out() -> None:
    # RFC 2617 §3.5.
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    answer = sip.digest(challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life", "0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in answer
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in answer


def test_a_digest_without_qop_is_the_old_kind() -> None:
    answer = sip.digest('Digest realm="asterisk",nonce="1"', "REGISTER", "sip:pbx", "1301", "secret", "x")
    assert "qop" not in answer
    assert 'response="' in answer


def test_a_challenge_nobody_can_answer_is_refused() -> None:
    with pytest.raises(sip.MalformedSip):
        sip.digest('Digest realm="asterisk",nonce="1",algorithm=MD4', "REGISTER", "sip:pbx", "1301", "secret", "x")
