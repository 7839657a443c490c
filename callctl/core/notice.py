"""The fields of an activation notice (启动通知) beside what the event itself holds: text people write and print."""

from collections.abc import Mapping

from callctl.core.acts import ActRefused, Sentence

TEXT_MOST = 500  # Characters of a field.

# Key, Chinese, English, in the order of the printed notice.
FIELDS: tuple[tuple[str, str, str], ...] = (
    ("number", "文号", "document number"),
    ("issued_by", "签发单位", "issued by"),
    ("signed_by", "签发人", "signed by"),
    ("signed_on", "签发时间", "signed on"),
    ("cause", "事由", "cause"),
    ("kind", "突发事件类型", "type of emergency"),
    ("level", "等级", "level"),
    ("expected_end", "预计结束", "expected end"),
    ("hours", "服务时段", "hours of service"),
    ("scripts_by", "口径责任单位", "scripts: responsible unit"),
    ("scripts_person", "口径责任人", "scripts: responsible person"),
    ("scripts_until", "口径首版时限", "scripts: first version until"),
    ("work_orders", "工单流转要求", "forwarding of work orders"),
    ("report_at", "日报报送时间", "daily report sent at"),
    ("contacts", "值守与应急联系人", "duty and emergency contacts"),
    ("drill", "演练安排", "drill"),
    ("confidentiality", "保密要求", "confidentiality"),
    ("annexes", "附件", "annexes"),
)
KINDS = ("自然灾害", "事故灾难", "公共卫生", "社会安全", "演练")  # 突发事件应对法 names four; a drill is none of them.
KEYS = frozenset(key for key, _, _ in FIELDS)


def check_notice(notice: Mapping[str, str]) -> None:
    """Raises ActRefused with every field that does not fit."""
    wrong: dict[str, Sentence] = {}
    for key, text in notice.items():
        if key not in KEYS:
            wrong[key] = Sentence("启动通知没有这一项", "a notice has no such field")
        elif len(text) > TEXT_MOST or not all(letter.isprintable() or letter == "\n" for letter in text):
            wrong[key] = Sentence(
                f"最多 {TEXT_MOST} 字，不能有控制字符", f"{TEXT_MOST} characters at most, no control characters"
            )
        elif key == "kind" and text and text not in KINDS:
            wrong[key] = Sentence(f"只能是：{'、'.join(KINDS)}", f"one of: {', '.join(KINDS)}")
    if wrong:
        raise ActRefused("启动通知有填错的地方", "the notice has wrong fields", wrong)
