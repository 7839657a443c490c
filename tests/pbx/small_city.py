"""A private conf tree for one small Asterisk city, for tests of the link alone (the rendered tree is tested elsewhere)."""

from pathlib import Path

from callctl.core.model import City
from callctl.pbx import asterisk_names as names

ADMIN_SECRET = "only-for-this-test"  # The second account plays citizens; callctl's own account may not originate.

MODULES = """
app_dial app_echo app_originate app_playback app_playtones app_queue app_read app_senddtmf app_stack app_userevent
bridge_builtin_features bridge_native_rtp bridge_simple bridge_softmix chan_pjsip codec_alaw codec_gsm format_gsm
format_pcm func_callerid func_channel func_cut func_devstate func_global func_groupcount func_logic func_math
func_sprintf func_strings func_extstate pbx_config res_musiconhold res_pjproject res_pjsip res_pjsip_acl
res_pjsip_authenticator_digest res_pjsip_caller_id res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user
res_pjsip_header_funcs res_pjsip_logger res_pjsip_outbound_authenticator_digest res_pjsip_registrar res_pjsip_rfc3326
res_pjsip_sdp_rtp res_pjsip_session res_rtp_asterisk res_sorcery_astdb res_sorcery_config res_sorcery_memory
res_timing_timerfd app_waituntil func_timeout res_manager_devicestate res_format_attr_h264 app_cdr app_exec
app_verbose res_pjsip_dtmf_info func_db res_pjsip_pubsub res_pjsip_outbound_publish
"""

EVENTS = (
    "QueueCallerJoin QueueCallerLeave QueueCallerAbandon AgentCalled AgentConnect AgentComplete AgentRingNoAnswer "
    "QueueMemberPause QueueMemberAdded QueueMemberRemoved FullyBooted"
)


def write(folder: Path, city: City, secret: str, root: Path | None = None, ring_s: int = 4) -> None:
    """Write everything `asterisk -C <folder>/asterisk.conf` needs; `root` is where an unpacked Asterisk lies."""
    for sub in ("run", "log", "spool", "lib", "db", "moh"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    files = {
        "asterisk.conf": _asterisk(folder, city, root),
        "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in MODULES.split()),
        "logger.conf": "[general]\n[logfiles]\nfull => notice,warning,error,verbose\n",
        "manager.conf": _manager(city, secret),
        "queues.conf": _queues(city),
        "pjsip.conf": _pjsip(city),
        "rtp.conf": "[general]\nrtpstart=10000\nrtpend=10999\n",
        "musiconhold.conf": f"[default]\nmode=files\ndirectory={folder}/moh\n",
        "extensions.conf": DIALPLAN.replace("@CITY@", city.code).replace("@RING@", str(ring_s)),
        "indications.conf": "[general]\ncountry=us\n[us]\ndescription=US\nringcadence=2000,4000\nbusy=480+620/500,0/500\n"
        "ring=440+480/2000,0/4000\ndial=350+440\ncongestion=480+620/250,0/250\n",
        "features.conf": "[general]\n",
        "udptl.conf": "[general]\n",
        "cdr.conf": "[general]\nenable=no\n",
        "cel.conf": "[general]\nenable=no\n",
        "ccss.conf": "[general]\n",
        "acl.conf": "",
        "stasis.conf": "[threadpool]\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _asterisk(folder: Path, city: City, root: Path | None) -> str:
    modules = f"astmoddir => {root}/usr/lib/x86_64-linux-gnu/asterisk/modules\n" if root else ""
    share = f"astdatadir => {root}/usr/share/asterisk\nastvarlibdir => {folder}/lib\n" if root else ""
    return (
        f"[directories]\nastetcdir => {folder}\n{modules}{share}astdbdir => {folder}/db\nastkeydir => {folder}/lib\n"
        f"astspooldir => {folder}/spool\nastrundir => {folder}/run\nastlogdir => {folder}/log\n"
        f"[options]\nsystemname={city.code}\ndocumentation_language=en_US\n"
    )


def _manager(city: City, secret: str) -> str:
    plain = "".join(f"eventfilter(action(include),name({name})) =\n" for name in EVENTS.split())
    host = city.pbx.ami_host or city.pbx.host
    return (
        f"[general]\nenabled=yes\nbindaddr={host}\nport={city.pbx.ami_port}\ntimestampevents=yes\n"
        "channelvars=CC_CALLID,CC_HOME,CC_T0,CC_NUM\n"
        f"[callctl]\nsecret={secret}\nread=agent,user,system\nwrite=agent,reporting\nwritetimeout=5000\n{plain}"
        "eventfilter(action(include),name(QueueMemberStatus),header(Queue),method(exact)) = cc-seats\n"
        "eventfilter(action(include),name(ContactStatus),header(AOR),method(starts_with)) = trunk-\n"
        "eventfilter(action(include),name(UserEvent),header(UserEvent),method(starts_with)) = CC\n"
        f"[all]\nsecret={secret}\nread=all\nwrite=agent,reporting\n"
        f"[admin]\nsecret={ADMIN_SECRET}\nread=all\nwrite=all\n"
    )


def _queues(city: City) -> str:
    home = (
        "strategy=rrmemory\ntimeout=6\nretry=1\nautofill=yes\nringinuse=no\nautopause=yes\nautopauseunavail=yes\n"
        "autopausebusy=no\njoinempty=yes\nleavewhenempty=no\nsetinterfacevar=yes\nweight=10\ncontext=cc-keys\n"
        f"wrapuptime={int(city.queue.wrapup_s)}\n"
    )
    here = [seat for seat in city.seats if seat.lend.value != "dedicated"]
    text = "[general]\npersistentmembers=no\nlog_membername_as_agent=yes\nshared_lastcall=yes\n"
    text += f"[{city.queue.name}]\n{home}" + "".join(f"member => PJSIP/{s.id},0,{s.id},PJSIP/{s.id}\n" for s in here)
    text += "[cc-seats]\n" + "".join(f"member => PJSIP/{s.id},0,{s.id},PJSIP/{s.id}\n" for s in city.seats)
    text += f"[{names.HEARTBEAT_QUEUE}]\nmember => {names.HEARTBEAT_MEMBER},0,beat,Custom:beat\n"
    strict = "paused,penalty,inuse,ringing,unavailable,invalid,unknown,wrapup"
    for trunk in city.trunks:
        text += (
            f"[{names.support_queue(trunk.to)}]\nstrategy=leastrecent\ntimeout=10\nretry=1\nringinuse=no\njoinempty={strict}\n"
            f"leavewhenempty={strict}\nweight=0\nwrapuptime={int(city.queue.wrapup_s)}\n"
        )
    return text


def _pjsip(city: City) -> str:
    pbx = city.pbx
    common = f"disallow=all\nallow=alaw\ndirect_media=no\nmedia_address={pbx.host}\nbind_rtp_to_media_address=yes\n"
    text = "[global]\ntype=global\n[transport]\ntype=transport\nprotocol=udp\n" + f"bind={pbx.host}:{pbx.sip_port}\n"
    text += f"[pstn]\ntype=endpoint\ncontext=cc-from-pstn\naors=pstn\ntrust_id_inbound=yes\n{common}"
    text += f"[pstn]\ntype=aor\ncontact=sip:{pbx.carrier}:{pbx.carrier_port}\n"
    text += f"[pstn]\ntype=identify\nendpoint=pstn\nmatch={pbx.carrier}\n"
    for trunk in city.trunks:
        name = f"trunk-{trunk.to}"
        text += f"[{name}]\ntype=endpoint\ncontext=cc-from-city\naors={name}\nset_var=PEER_CITY={trunk.to}\n"
        text += f"rtp_timeout=3\n{common}"
        text += f"[{name}]\ntype=aor\ncontact=sip:{trunk.host}:{trunk.port}\nqualify_frequency=2\nqualify_timeout=1\n"
        text += f"[{name}]\ntype=identify\nendpoint={name}\nmatch={trunk.host}\n"
    for seat in city.seats:
        text += f"[{seat.id}]\ntype=endpoint\ncontext=cc-from-agent\naors={seat.id}\nauth={seat.id}\n{common}"
        text += f"[{seat.id}]\ntype=aor\nmax_contacts=1\nremove_existing=yes\n"
        text += f"[{seat.id}]\ntype=auth\nauth_type=userpass\nusername={seat.id}\npassword=phone{seat.id}\n"
    return text


# ruff: noqa: E501
DIALPLAN = r"""[globals]
CITY=@CITY@
[cc-from-pstn]
exten => 12345,1,Set(__CC_CALLID=${UNIQUEID})
 same => n,Set(__CC_HOME=${CITY})
 same => n,Set(__CC_NUM=${FILTER(0-9+,${CALLERID(num)})})
 same => n,Set(__CC_T0=${EPOCH})
 same => n,Set(__CC_CHAN=${CHANNEL(name)})
 same => n,Answer()
 same => n,Goto(cc-hotline,s,1)

[cc-hotline]
exten => s,1,Set(SHARED(CC_LEG)=)
 same => n,Queue(q12345,cCb(cc-out^s^1))
 same => n,UserEvent(CCQueueEnd,CallId: ${CC_CALLID},Status: ${QUEUESTATUS},Member: ${MEMBERNAME})
 same => n,GotoIf($["${QUEUESTATUS}"="WITHDRAW"]?cc-move,s,1)
 same => n,GotoIf($["${QUEUESTATUS}"!="CONTINUE"]?other)
 same => n,Wait(0.3)
 same => n,GotoIf($["${SHARED(CC_LEG)}"="44" | "${SHARED(CC_LEG)}"="38" | "${SHARED(CC_LEG)}"="27"]?lost)
 same => n,Goto(cc-survey,s,1)
 same => n(lost),UserEvent(CCLegLost,CallId: ${CC_CALLID},Slot: ${MEMBERNAME},Cause: ${SHARED(CC_LEG)})
 same => n,Set(QUEUE_PRIO=10)
 same => n,Goto(s,1)
 same => n(other),Hangup()

[cc-seat]
exten => _[a-z].,1,Set(CC_PEER=${FILTER(a-z,${CUT(EXTEN,-,1)})})
 same => n,Set(CC_SLOT=${FILTER(0-9,${CUT(EXTEN,-,3)})})
 same => n,GotoIf($["${DEVICE_STATE(PJSIP/trunk-${CC_PEER})}"="UNAVAILABLE"]?down)
 same => n,Dial(PJSIP/support@trunk-${CC_PEER},@RING@,b(cc-out^s^1))
 same => n,UserEvent(CCRingFailed,CallId: ${CC_CALLID},Peer: ${CC_PEER},Number: ${CC_SLOT},Status: ${DIALSTATUS},Cause: ${HANGUPCAUSE})
 same => n,Wait(2)
 same => n,Busy(1)
 same => n(down),UserEvent(CCRingFailed,CallId: ${CC_CALLID},Peer: ${CC_PEER},Number: ${CC_SLOT},Status: DOWN,Cause: 0)
 same => n,Congestion(1)

[cc-move]
exten => s,1,Set(CC_PEER=${FILTER(a-z,${CUT(QUEUE_WITHDRAW_INFO,:,1)})})
 same => n,UserEvent(CCMove,CallId: ${CC_CALLID},Stage: dial,Peer: ${CC_PEER})
 same => n,Dial(PJSIP/support@trunk-${CC_PEER},@RING@,gm(default)b(cc-out^s^1))
 same => n,UserEvent(CCMove,CallId: ${CC_CALLID},Stage: end,Peer: ${CC_PEER},Status: ${DIALSTATUS},Cause: ${HANGUPCAUSE})
 same => n,GotoIf($["${DIALSTATUS}"="ANSWER" & "${HANGUPCAUSE}"!="44"]?cc-survey,s,1)
 same => n,Set(QUEUE_PRIO=10)
 same => n,Goto(cc-hotline,s,1)

[cc-out]
exten => s,1,GotoIf($["${CHANNEL(channeltype)}"!="PJSIP" | "${CC_CALLID}"=""]?out)
 same => n,Set(PJSIP_HEADER(add,X-CC-CallId)=${CC_CALLID})
 same => n,Set(PJSIP_HEADER(add,X-CC-Home)=${CC_HOME})
 same => n,Set(PJSIP_HEADER(add,X-CC-Caller)=${CC_NUM})
 same => n,Set(PJSIP_HEADER(add,X-CC-T0)=${CC_T0})
 same => n,Set(CHANNEL(hangup_handler_push)=cc-leg-end,s,1)
 same => n(out),Return()
[cc-leg-end]
exten => s,1,GotoIf($["${CC_CHAN}"=""]?out)
 same => n,Set(SHARED(CC_LEG,${CC_CHAN})=${HANGUPCAUSE})
 same => n(out),Return()

[cc-from-city]
exten => support,1,Set(__CC_CALLID=${FILTER(0-9a-zA-Z.\-,${PJSIP_HEADER(read,X-CC-CallId)})})
 same => n,Set(__CC_HOME=${PEER_CITY})
 same => n,Set(__CC_NUM=${FILTER(0-9+,${PJSIP_HEADER(read,X-CC-Caller)})})
 same => n,Set(__CC_T0=${FILTER(0-9,${PJSIP_HEADER(read,X-CC-T0)})})
 same => n,Ringing()
 same => n,Queue(support-${PEER_CITY},rCb(cc-out^s^1),,,25)
 same => n,GotoIf($["${QUEUESTATUS}"="JOINEMPTY"]?busy)
 same => n,Hangup(19)
 same => n(busy),Hangup(17)
exten => _[0-9a-zA-Z].,1,Hangup(21)

[cc-survey]
exten => s,1,Read(CC_SCORE,,1,,1,8)
 same => n,UserEvent(CCSurvey,CallId: ${CC_CALLID},Score: ${FILTER(0-9,${CC_SCORE})})
 same => n,Hangup()

[cc-keys]
exten => 1,1,Set(CB_POS=${QUEUEPOSITION})
 same => n,UserEvent(CCCallback,CallId: ${CC_CALLID},Number: ${CC_NUM})
 same => n,Originate(Local/${CC_NUM}@cc-cb-queue/n,exten,cc-cb-dial,${CC_NUM},1,3600,ac(${CC_NUM})v(CB_POS=${CB_POS}^__CC_CALLID=${CC_CALLID}^__CC_HOME=${CC_HOME}^__CC_NUM=${CC_NUM}^__CC_T0=${CC_T0}))
 same => n,Hangup()
[cc-cb-queue]
exten => _X.,1,Queue(q12345,Cb(cc-out^s^1),,,,,,,${CB_POS})
 same => n,Hangup()
[cc-cb-dial]
exten => _X.,1,Dial(PJSIP/${EXTEN}@pstn,10)
 same => n,UserEvent(CCCallbackEnd,CallId: ${CC_CALLID},Status: ${DIALSTATUS})
 same => n,Hangup()

[cc-from-agent]
exten => _X.,1,Hangup(21)
; Lab citizens without a phone: Originate Local/12345@lab-citizen, the other half only listens.
[lab-listen]
exten => s,1,Answer()
 same => n,Wait(60)
[cc-none]
exten => beat,1,Hangup()
"""
