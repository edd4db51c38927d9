"""An SMTP server for tests: keeps each mail as a file. One JSON object as argument says how."""

import asyncio
import json
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

spec = json.loads(sys.argv[1])


class Keeper(Mailbox):
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("full@"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, login):
    wanted = LoginPassword(*(text.encode() for text in spec["login"]))
    return AuthResult(success=login == wanted, handled=False)


def context():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(spec["cert"], spec["key"])
    return tls


def server():
    return SMTP(
        Keeper(spec["mails"]),
        hostname="localhost",
        tls_context=context() if spec["tls"] == "starttls" else None,
        require_starttls=spec["tls"] == "starttls",
        authenticator=authenticate if spec["login"] else None,
        auth_required=bool(spec["login"]),
        auth_require_tls=spec["tls"] == "starttls",
    )


async def main():
    wrapped = context() if spec["tls"] == "wrapped" else None
    loop = asyncio.get_running_loop()
    async with await loop.create_server(server, "127.0.0.1", spec["port"], ssl=wrapped) as served:
        await served.serve_forever()


asyncio.run(main())
