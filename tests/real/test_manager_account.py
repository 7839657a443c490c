"""callctl's manager account on real Asterisk: where it listens, whom it lets in, and what it may not do."""

import asyncio

import pytest

from tests.real.floor import Floor

pytestmark = pytest.mark.real
CITY = "xuzhou"
PORT = 5038
FORBIDDEN = {
    "Originate": "Channel: PJSIP/13800000001@pstn\r\nContext: cc-from-pstn\r\nExten: 12345\r\nPriority: 1",
    "Command": "Command: core show channels",
    "Redirect": "Channel: PJSIP/pstn-00000001\r\nContext: cc-cb-dial\r\nExten: 13800000001\r\nPriority: 1",
    "DBPut": "Family: a\r\nKey: b\r\nVal: c",
    "UpdateConfig": "SrcFilename: manager.conf\r\nDstFilename: manager.conf",
    "GetConfig": "Filename: manager.conf",
    "Setvar": "Variable: CC_CITY\r\nValue: nanjing",
    "Hangup": "Channel: PJSIP/pstn-00000001",
    "UserEvent": "UserEvent: CCSurvey",
    "ModuleLoad": "LoadType: reload",
    "Reload": "Module: manager",
    "MixMonitor": "Channel: PJSIP/pstn-00000001\r\nFile: /tmp/x.wav",
    "DialplanExtensionAdd": "Context: cc-from-city\r\nExtension: 9\r\nPriority: 1\r\nApplication: NoOp",
    "PJSIPShowAuths": "",
    "Filter": "Operation: Add\r\nFilter: Event: Newexten",
    "Atxfer": "Channel: PJSIP/pstn-00000001\r\nExten: 9\r\nContext: cc-cb-dial",
    "MessageSend": "To: pjsip:2001\r\nFrom: x\r\nBody: y",
}


async def say(floor: Floor, secret: str, *actions: str, source: str = "127.0.0.1") -> list[str]:
    """Log in and give orders; the first line that answers each. A closed connection answers ""."""
    host = floor.city(CITY).pbx.host
    async with asyncio.timeout(10.0):
        reader, writer = await asyncio.open_connection(host, PORT, local_addr=(source, 0))
        answers = []
        try:
            await reader.readline()
            for action in (f"Action: Login\r\nUsername: callctl\r\nSecret: {secret}\r\nEvents: off", *actions):
                writer.write(f"{action}\r\n\r\n".encode())
                await writer.drain()
                answers.append((await reader.readuntil(b"\r\n\r\n")).decode())
        except (asyncio.IncompleteReadError, ConnectionError):
            answers.append("")
        finally:
            writer.close()
    return answers


async def test_a_wrong_password_and_no_password_are_refused_alike(floor: Floor) -> None:
    for secret in ("wrong", "", "callctl", "' OR 1=1"):
        [answer, *_] = await say(floor, secret, "Action: Ping")
        assert "Authentication failed" in answer


async def test_the_account_can_do_nothing_but_queues_and_reading(floor: Floor) -> None:
    secret = floor.lab.settings.ami_secret(CITY)
    orders = [f"Action: {name}\r\n{rest}".strip() for name, rest in FORBIDDEN.items()]
    logged_in, *answers = await say(floor, secret, *orders)
    assert "Authentication accepted" in logged_in
    told = dict(zip(FORBIDDEN, answers, strict=True))
    refused = ("Permission denied", "Invalid/unknown command")
    assert {name: answer for name, answer in told.items() if not any(word in answer for word in refused)} == {}


async def test_variables_give_no_files_and_run_no_programs(floor: Floor) -> None:
    secret = floor.lab.settings.ami_secret(CITY)
    wanted = ("SHELL(id)", "FILE(/etc/passwd)", "AST_CONFIG(manager.conf,callctl,secret)", "DB(registrar/contact)")
    _, *answers = await say(floor, secret, *(f"Action: Getvar\r\nVariable: {name}" for name in wanted))
    for name, answer in zip(wanted, answers, strict=True):
        assert "uid=" not in answer, name
        assert "root:" not in answer, name
        assert secret not in answer, name


async def test_the_manager_listens_on_its_own_address_only(floor: Floor) -> None:
    for address in ("127.0.0.1", "127.0.99.1", floor.city(CITY).pbx.carrier):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address, PORT)


async def test_the_right_password_from_a_foreign_machine_is_refused(floor: Floor) -> None:
    """The lab lets the whole of 127/8 in (CALLCTL_CONTROLLERS); here the list is narrowed to one machine."""
    pbx, secret = floor.pbx(CITY), floor.lab.settings.ami_secret(CITY)
    lists = pbx.folders.etc / "acl.conf"
    before = lists.read_text("utf-8")
    head, title, rest = before.partition("[callctl-controllers]")
    try:
        lists.write_text(head + title + rest.replace("permit = 127.0.0.0/8", "permit = 127.0.77.1/32"), "utf-8")
        await pbx.cli("module reload acl")
        assert "Authentication failed" in (await say(floor, secret, "Action: Ping"))[0]
        assert "accepted" in (await say(floor, secret, "Action: Ping", source="127.0.77.1"))[0]
    finally:
        lists.write_text(before, "utf-8")
        await pbx.cli("module reload acl")


async def test_the_files_with_passwords_are_nobody_elses(floor: Floor) -> None:
    for name in ("manager.conf", "pjsip.conf"):
        assert (floor.pbx(CITY).folders.etc / name).stat().st_mode & 0o077 == 0
    secrets = floor.lab.settings.secrets_dir
    assert secrets.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in secrets.iterdir())
