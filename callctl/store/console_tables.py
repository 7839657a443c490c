"""The console's tables: accounts, invitations, machine tokens, scripts with their versions and receipts, webhooks.

They lie in the history's database, so that an act and its audit entry are one transaction.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Identity, Index, Integer, String, Table, Text

from callctl.store.tables import Key, Utc, metadata

NAME = String(64)

accounts = Table(
    "accounts",
    metadata,
    Column("name", NAME, primary_key=True),  # What is typed at the sign-in; never given to anybody else afterwards.
    Column("person", String(64), nullable=False),
    Column("roles", Text, nullable=False),  # With commas, sorted.
    Column("cities", Text, nullable=False),  # With commas, sorted; "*" is everywhere.
    Column("agent", String(64), nullable=False),  # 工号, "" for who is no agent.
    Column("password", Text, nullable=False),  # argon2id; "" until the invitation is taken up.
    Column("password_at", Utc),
    Column("code_key", Text, nullable=False),  # Key of the one-time codes (RFC 6238), base32; "" for none.
    Column("code_step", BigInteger, nullable=False),  # The last time step whose code was used: a code is good once.
    Column("closed", Boolean(create_constraint=False), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
)

# Passwords an account had: the last few may not come back.
old_passwords = Table(
    "old_passwords",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("account", NAME, ForeignKey("accounts.name"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("password", Text, nullable=False),
    Index(None, "account", "at"),
)

# One-time codes by which a person sets the first password, or a new one.
invitations = Table(
    "invitations",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account", NAME, ForeignKey("accounts.name"), nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("until", Utc, nullable=False),
    Column("used_at", Utc),
    Index(None, "account"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("roles", Text, nullable=False),
    Column("cities", Text, nullable=False),
    Column("rights", Text, nullable=False),  # "" is all that the roles may.
    Column("made_at", Utc, nullable=False),
    Column("made_by", NAME, nullable=False),
    Column("until", Utc, nullable=False),
    Column("ended_at", Utc),
)

# 统一答复口径: one row a script; what it says stands in its versions.
scripts = Table(
    "scripts",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("city", String(32), nullable=False),  # The assisted city that owns it.
    Column("made_at", Utc, nullable=False),
    Index(None, "city"),
)

script_versions = Table(
    "script_versions",
    metadata,
    Column("script", Key, ForeignKey("scripts.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),  # draft, published, rejected, expired; one draft a script at most.
    Column("question", Text, nullable=False),
    Column("similar", Text, nullable=False),  # Other ways to ask it, one a line.
    Column("answer", Text, nullable=False),
    Column("scope", Text, nullable=False),  # 适用范围: district, people, hours.
    Column("source", Text, nullable=False),  # 政策依据: document number, address.
    Column("category", String(32), nullable=False),  # 分类代码.
    Column("must_read", Boolean(create_constraint=False), nullable=False),
    Column("from_at", Utc),  # In force from; NULL: from its publication.
    Column("until", Utc),  # NULL: until it is withdrawn or replaced.
    Column("note", Text, nullable=False),  # 变更说明.
    Column("saves", Integer, nullable=False),  # Of the draft: of two editors who save at once the later one is told.
    Column("editors", Text, nullable=False),  # Accounts that wrote this version, with commas: none of them may publish it.
    Column("written_at", Utc, nullable=False),
    Column("decided_by", NAME, nullable=False),  # "" while it is a draft.
    Column("decided_at", Utc),
    Column("why", Text, nullable=False),  # Why it was sent back or withdrawn.
    Index(None, "state", "decided_at"),
)

# 已读确认.
receipts = Table(
    "receipts",
    metadata,
    Column("script", Key, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("city", String(32), primary_key=True),  # The agent's: the same 工号 may be another's elsewhere.
    Column("agent", String(64), primary_key=True),  # 工号.
    Column("read_at", Utc, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("address", Text, nullable=False),
    Column("secret", Text, nullable=False),  # Signs what is sent; needed in clear for that.
    Column("kinds", Text, nullable=False),  # With commas.
    Column("made_at", Utc, nullable=False),
    Column("made_by", NAME, nullable=False),
    Column("ended_at", Utc),
)

# What is to be told to whom. Kept until told; what cannot be told lies here as `dead` until a person looks.
hook_deliveries = Table(
    "hook_deliveries",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column(
        "mark", String(96), nullable=False, unique=True
    ),  # Webhook and source: nothing is told twice for being found twice.
    Column("webhook", NAME, ForeignKey("webhooks.name"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", Utc, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(8), nullable=False),  # waiting, told, dead.
    Column("tries", Integer, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("why", Text, nullable=False),  # Of the last failure.
    Index(None, "state", "next_at"),
    Index(None, "webhook", "state", "id"),
)

# How far audit and journal have been looked through for webhooks.
bookmarks = Table(
    "bookmarks",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("place", BigInteger, nullable=False),
)
