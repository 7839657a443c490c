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
