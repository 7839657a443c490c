"""The smallest city that boots: for tests of the lab itself, before and without callctl's own rendering."""

from pathlib import Path

from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, QueueRules, Seat
from callctl.lab.program import AsteriskProgram

MODULES = """
pbx_config res_sorcery_config res_sorcery_memory res_sorcery_astdb res_timing_timerfd res_pjproject res_pjsip
res_pjsip_session res_pjsip_acl res_pjsip_authenticator_digest res_pjsip_caller_id
res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user res_pjsip_header_funcs res_pjsip_logger
res_pjsip_nat res_pjsip_pubsub res_pjsip_registrar res_pjsip_rfc3326 res_pjsip_sdp_rtp chan_pjsip
res_security_log res_rtp_asterisk res_srtp res_musiconhold bridge_simple bridge_builtin_features codec_alaw
codec_ulaw codec_a_mu codec_gsm format_gsm format_pcm format_sln format_wav func_callerid func_channel
func_cut func_devstate func_env func_global func_groupcount func_logic func_math func_strings app_dial
app_mixmonitor app_originate app_playback app_playtones app_queue app_read app_stack app_userevent app_echo
"""


def city(code: str = "nanjing", number: int = 0) -> City:
    """A city with two seats, on addresses that no lab uses."""
    return City(
        code=code,
        name_zh="南京",
        area_code="025",
        pbx=PbxAddress(
            kind=PbxKind.ASTERISK,
            host=f"127.9.{10 + number}.1",
            carrier=f"127.9.1.{10 + number}",
            phones=f"127.9.{110 + number}.0/24",
        ),
        queue=QueueRules(),
        lend=LendRules(),
        trunks=(),
        seats=tuple(Seat(f"{11 + number}0{n}", f"A{n}", f"Agent {n}", Lending.SHARED) for n in (1, 2)),
    )


def conf(city: City, program: AsteriskProgram, top: Path, secret: str = "phone-secret") -> dict[str, str]:
    """Asterisk's files for this city: 12345 waits in q12345, any other number of the carrier's rings that seat."""
    host = city.pbx.host
    seats = "".join(
        f"[{s.id}]\ntype=endpoint\ncontext=none\nallow=!all,alaw\nauth={s.id}\naors={s.id}\n"
        f"[{s.id}]\ntype=auth\nauth_type=userpass\nusername={s.id}\npassword={secret}\n"
        f"[{s.id}]\ntype=aor\nmax_contacts=1\nremove_existing=yes\n"
        for s in city.seats
    )
    members = "".join(f"member => PJSIP/{s.id},0,{s.id},PJSIP/{s.id}\n" for s in city.seats)
    varlib = top / "varlib"
    return {
        "asterisk.conf": (
            f"[directories]\nastetcdir={top}/etc\nastmoddir={program.modules}\nastvarlibdir={varlib}\nastdbdir={varlib}\n"
            f"astkeydir={varlib}\nastdatadir={varlib}\nastagidir={varlib}\nastspooldir={top}/spool\nastrundir={top}/run\n"
            f"astlogdir={top}/log\nastsbindir={top}\n[options]\nsystemname={city.code}\n"
        ),
        "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in MODULES.split()),
        "logger.conf": "[general]\n[logfiles]\nmessages.log=notice,warning,error\n",
        "manager.conf": f"[general]\nenabled=yes\nport={city.pbx.ami_port}\nbindaddr={host}\n",
        **{f"{name}.conf": "[general]\n" for name in ("cdr", "cel", "ccss", "features", "udptl", "queuerules")},
        "pjproject.conf": "[log_mappings]\ntype=log_mappings\n",
        "acl.conf": "[anybody]\npermit=127.0.0.0/8\n",
        "indications.conf": "[general]\ncountry=cn\n[cn]\ndescription=China\ndial=450\n",
        "rtp.conf": "[general]\nrtpstart=10000\nrtpend=19999\n",
        "musiconhold.conf": f"[default]\nmode=files\ndirectory={varlib}/moh\n",
        "queues.conf": f"[general]\n[q12345]\nstrategy=rrmemory\ntimeout=5\nretry=1\nringinuse=no\n{members}",
        "extensions.conf": (
            "[pstn]\nexten => 12345,1,Answer()\n same => n,Queue(q12345)\nexten => 600,1,Answer()\n same => n,Echo()\n"
            "exten => _XXXX,1,Dial(PJSIP/${EXTEN})\n[none]\n"
        ),
        "pjsip.conf": (
            f"[udp]\ntype=transport\nprotocol=udp\nbind={host}:{city.pbx.sip_port}\n"
            f"[pstn]\ntype=endpoint\ncontext=pstn\nallow=!all,alaw\naors=pstn\nmedia_address={host}\n"
            f"[pstn]\ntype=aor\ncontact=sip:{city.pbx.carrier}:5060\n"
            f"[pstn]\ntype=identify\nendpoint=pstn\nmatch={city.pbx.carrier}\n{seats}"
        ),
    }
