"""matrix-nio (the library of many bots, of Pantalaimon and of weechat-matrix) as a program: one JSON order per line on standard input,
`{"id": 1, "do": "say", …}`; one JSON line each on standard output: `{"id": 1, "ok": {…}}` or `{"id": 1, "error": "…"}`, and
`{"message": {…}}` for every message that is shown. It ends with its standard input."""

import asyncio
import io
import json
import sys

from nio import (
    AsyncClient, AsyncClientConfig, MegolmEvent, RoomEncryptedFile, RoomMessageFile, RoomMessageText, RoomPreset,
)
from nio.crypto import decrypt_attachment

COUNT = "io.partyline.count"
SYNC_MS = 5000


def tell(line):
    print(json.dumps(line), flush=True)


def checked(answer):
    """nio returns errors in place of answers."""
    if type(answer).__name__.endswith("Error"):
        raise RuntimeError(f"{type(answer).__name__}: {answer}")
    return answer


class Client:
    def __init__(self):
        self.client = None
        self.loop = None

    async def login(self, url, user, password, store):
        config = AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
        self.client = AsyncClient(url, user, store_path=store, config=config)
        answer = checked(await self.client.login(password, device_name="nio"))
        self.client.add_event_callback(self.shown, (RoomMessageText, RoomMessageFile, RoomEncryptedFile))
        self.client.add_event_callback(self.unreadable, MegolmEvent)
        checked(await self.client.sync(timeout=0, full_state=True))
        self.loop = asyncio.create_task(self.client.sync_forever(timeout=SYNC_MS))
        return {"device": answer.device_id, "user": answer.user_id}

    async def shown(self, room, event):
        content = event.source["content"]
        text = event.body
        if isinstance(event, (RoomMessageFile, RoomEncryptedFile)):
            text = (await self.downloaded(event)).decode()
        tell({"message": {
            "room": room.room_id, "sender": event.sender, "event": event.event_id, "type": content["msgtype"], "text": text,
            "count": content.get(COUNT), "encrypted": bool(getattr(event, "decrypted", False)),
        }})

    async def downloaded(self, event):
        answer = checked(await self.client.download(event.url))
        if isinstance(event, RoomEncryptedFile):
            return decrypt_attachment(answer.body, event.key["k"], event.hashes["sha256"], event.iv)
        return answer.body

    async def unreadable(self, room, event):
        tell({"unreadable": {"room": room.room_id, "sender": event.sender, "event": event.event_id}})

    async def create(self, name, invite):
        encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        answer = await self.client.room_create(name=name, invite=invite, initial_state=[encryption], preset=RoomPreset.trusted_private_chat)
        return {"room": checked(answer).room_id}

    async def join(self, room):
        return {"room": checked(await self.client.join(room)).room_id}

    async def members(self, room):
        """Those that this client would encrypt for."""
        known = self.client.rooms.get(room)
        return {"encrypted": bool(known and known.encrypted), "members": sorted(known.users) if known else []}

    async def say(self, room, count, text):
        return await self.send(room, {"msgtype": "m.text", "body": text, COUNT: count})

    async def file(self, room, count, text):
        data = text.encode()
        upload, keys = await self.client.upload(
            lambda *_: io.BytesIO(data), content_type="text/plain", filename="file.txt", encrypt=True, filesize=len(data)
        )
        described = {"url": checked(upload).content_uri, **keys}
        content = {"msgtype": "m.file", "body": "file.txt", "file": described, "info": {"size": len(data), "mimetype": "text/plain"}, COUNT: count}
        return await self.send(room, content)

    async def send(self, room, content):
        answer = await self.client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
        return {"event": checked(answer).event_id}

    async def leave(self):
        if self.loop:
            self.loop.cancel()
        if self.client:
            await self.client.close()


async def main():
    client = Client()
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        number, what = order.pop("id"), order.pop("do")
        try:
            tell({"id": number, "ok": await getattr(client, what)(**order)})
        except Exception as error:
            tell({"id": number, "error": f"{type(error).__name__}: {error}"})
    await client.leave()


asyncio.run(main())
