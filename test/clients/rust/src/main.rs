//! matrix-rust-sdk (what Element X is made of) as a program: one JSON order per line on standard input, one JSON line each on standard
//! output, as `../nio/client.py` says. It syncs by sliding sync only, with the services that Element X uses.

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use matrix_sdk::{
    Client, Room,
    attachment::AttachmentConfig,
    deserialized_responses::EncryptionInfo,
    event_handler::RawEvent,
    media::{MediaFormat, MediaRequestParameters},
    ruma::{
        OwnedUserId, RoomId,
        api::client::room::create_room::v3::{Request as CreateRoom, RoomPreset},
        events::{
            EmptyStateKey, InitialStateEvent,
            room::{
                encryption::RoomEncryptionEventContent,
                message::{MessageType, OriginalSyncRoomMessageEvent},
            },
        },
    },
    sliding_sync::VersionBuilder,
};
use matrix_sdk_ui::sync_service::SyncService;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

const COUNT: &str = "io.partyline.count";

fn tell(line: Value) {
    println!("{line}");
}

fn text(order: &Value, name: &str) -> Result<String> {
    Ok(order[name].as_str().with_context(|| format!("{name} is missing"))?.to_owned())
}

/// Tells of every message that is shown.
async fn shown(event: OriginalSyncRoomMessageEvent, raw: RawEvent, room: Room, info: Option<EncryptionInfo>) -> Result<()> {
    let content = serde_json::from_str::<Value>(raw.get())?["content"].take();
    let said = match &event.content.msgtype {
        MessageType::File(file) => {
            let wanted = MediaRequestParameters { source: file.source.clone(), format: MediaFormat::File };
            String::from_utf8(room.client().media().get_media_content(&wanted, false).await?)?
        }
        other => other.body().to_owned(),
    };
    tell(json!({ "message": {
        "room": room.room_id(), "sender": event.sender, "event": event.event_id, "type": content["msgtype"], "text": said,
        "count": content[COUNT], "encrypted": info.is_some(),
    }}));
    Ok(())
}

struct Person {
    client: Client,
    service: SyncService,
}

impl Person {
    async fn login(order: &Value) -> Result<(Self, Value)> {
        let client = Client::builder()
            .homeserver_url(text(order, "url")?)
            .sqlite_store(text(order, "store")?, None)
            .sliding_sync_version_builder(VersionBuilder::DiscoverNative)
            .build()
            .await?;
        let answer = client
            .matrix_auth()
            .login_username(&text(order, "user")?, &text(order, "password")?)
            .initial_device_display_name("rust")
            .send()
            .await?;
        client.add_event_handler(shown);
        let service = SyncService::builder(client.clone()).with_offline_mode().build().await?;
        service.start().await;
        Ok((Self { client, service }, json!({ "user": answer.user_id, "device": answer.device_id })))
    }

    async fn room(&self, order: &Value) -> Result<Room> {
        let id = RoomId::parse(text(order, "room")?)?;
        self.client.get_room(&id).with_context(|| format!("{id} is not known yet"))
    }

    /// A room that is open: its messages come one by one.
    async fn opened(&self, id: &RoomId) {
        self.service.room_list_service().subscribe_to_rooms(&[id]).await;
    }

    async fn obey(&self, what: &str, order: &Value) -> Result<Value> {
        Ok(match what {
            "create" => {
                let mut wanted = CreateRoom::new();
                wanted.name = Some(text(order, "name")?);
                wanted.preset = Some(RoomPreset::TrustedPrivateChat);
                wanted.invite = serde_json::from_value::<Vec<OwnedUserId>>(order["invite"].clone())?;
                let encryption = RoomEncryptionEventContent::with_recommended_defaults();
                wanted.initial_state = vec![InitialStateEvent::new(EmptyStateKey, encryption).to_raw_any()];
                let room = self.client.create_room(wanted).await?;
                self.opened(room.room_id()).await;
                json!({ "room": room.room_id() })
            }
            "join" => {
                let id = RoomId::parse(text(order, "room")?)?;
                let room = self.client.join_room_by_id(&id).await?;
                self.opened(room.room_id()).await;
                json!({ "room": room.room_id() })
            }
            "members" => {
                let room = self.room(order).await?;
                let members = room.members(matrix_sdk::RoomMemberships::ACTIVE).await?;
                let names: Vec<_> = members.iter().map(|member| member.user_id()).collect();
                json!({ "encrypted": room.latest_encryption_state().await?.is_encrypted(), "members": names })
            }
            "say" => {
                let content = json!({ "msgtype": "m.text", "body": text(order, "text")?, COUNT: order["count"] });
                let sent = self.room(order).await?.send_raw("m.room.message", content).await?;
                json!({ "event": sent.response.event_id })
            }
            "file" => {
                let data = text(order, "text")?.into_bytes();
                let sent = self.room(order).await?.send_attachment("file.txt", &mime::TEXT_PLAIN, data, AttachmentConfig::new()).await?;
                json!({ "event": sent.event_id })
            }
            other => bail!("{other} is no order"),
        })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let person: Arc<Mutex<Option<Arc<Person>>>> = Arc::default();
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let order: Value = serde_json::from_str(&line)?;
        let what = text(&order, "do")?;
        let entered = person.lock().expect("nobody panics with it").clone();
        let answer = match (what.as_str(), entered) {
            ("login", _) => Person::login(&order).await.map(|(entered, said)| {
                *person.lock().expect("nobody panics with it") = Some(Arc::new(entered));
                said
            }),
            (_, Some(entered)) => entered.obey(&what, &order).await,
            (_, None) => Err(anyhow::anyhow!("nobody has logged in")),
        };
        tell(match answer {
            Ok(said) => json!({ "id": order["id"], "ok": said }),
            Err(error) => json!({ "id": order["id"], "error": format!("{error:#}") }),
        });
    }
    if let Some(entered) = person.lock().expect("nobody panics with it").take() {
        entered.service.stop().await;
    }
    Ok(())
}
