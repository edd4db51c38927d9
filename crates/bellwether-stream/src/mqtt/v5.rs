//! MQTT 5, by rumqttc.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rumqttc::{
    AckMode, AsyncClient, ClientError, ConnectReturnCode, ConnectionError, Event, EventLoop, ManualAck,
    MqttOptions, NetworkOptions, Packet, PersistedAckMode, PersistedSession, PubAck, PubAckReason,
    PublishNotice, PublishNoticeError, PublishOptions, QoS, RetainForwardRule, SessionStore,
    SessionStoreError, SessionStoreKey, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};
use rumqttc_v5 as rumqttc;

use super::link::{
    Ack, Happening, KEEP_ALIVE_SECS, LinkError, Message, NotSent, Quality, RECEIVE_MAX, REQUESTS_MAX,
    SESSION_KEPT_SECS, Session, WRITES_MAX,
};
use super::{Broker, Target, whole_text};

/// Bytes of a packet at most; the broker drops what is longer. Between this and what a message may have, messages are
/// taken, and quarantined where people see them.
const PACKET_BYTES_MAX: u32 = 16 << 20;

/// Messages on their way to the broker at most; fewer where the broker says so.
const IN_FLIGHT_MAX: u16 = 1024;

pub(super) fn open(broker: &Broker, target: Target, session: Session) -> (AsyncClient, EventLoop) {
    let address = target.socket_address();
    let mut options = MqttOptions::new(&broker.client_id, rumqttc::Broker::tcp(target.host, target.port));
    options
        .set_keep_alive(KEEP_ALIVE_SECS)
        .set_clean_start(session == Session::Clean)
        .set_ack_mode(AckMode::Manual)
        .set_max_packet_size(Some(PACKET_BYTES_MAX))
        .set_receive_maximum(Some(RECEIVE_MAX))
        .set_outgoing_inflight_upper_limit(IN_FLIGHT_MAX)
        .set_max_request_batch(WRITES_MAX)
        .set_socket_connector(move |_, network| rumqttc::default_socket_connect(address.clone(), network));
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    if let Some(tls) = target.tls {
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)));
    }
    match (&broker.username, &broker.password) {
        (Some(user), Some(password)) => {
            options.set_credentials(user, password.reveal().to_owned());
        }
        (Some(user), None) => {
            options.set_username(user);
        }
        (None, _) => {}
    }
    if session == Session::Kept {
        options
            .set_session_expiry_interval(Some(SESSION_KEPT_SECS))
            .set_session_store(NothingUnderWay);
    }
    AsyncClient::builder(options).capacity(REQUESTS_MAX).build()
}

pub(super) async fn next(link: &mut EventLoop) -> Result<Happening, LinkError> {
    let event = link.poll().await.map_err(lost)?;
    let Event::Incoming(packet) = event else {
        return Ok(Happening::Other);
    };
    Ok(match packet {
        Packet::ConnAck(answer) => {
            // From here on, the store would only be told of every packet.
            link.options.clear_session_store();
            Happening::Connected {
                has_session: answer.session_present,
            }
        }
        Packet::Publish(publish) => Happening::Message(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            ack: (publish.qos == QoS::AtLeastOnce).then_some(Ack(publish.pkid)),
            payload: publish.payload,
        }),
        Packet::SubAck(answer) => {
            Happening::Subscribed(answer.return_codes.into_iter().map(refusal).collect())
        }
        _ => Happening::Other,
    })
}

pub(super) fn puback(ack: Ack) -> ManualAck {
    ManualAck::PubAck(PubAck::new(ack.0, None))
}

pub(super) fn filter(topic: &str) -> SubscribeFilter {
    SubscribeFilter {
        // Asked again after a restart, since filters may have changed: what is retained has come already.
        retain_forward_rule: RetainForwardRule::OnNewSubscribe,
        ..SubscribeFilter::new(topic, QoS::AtLeastOnce)
    }
}

pub(super) async fn publish(
    client: &AsyncClient,
    topic: &str,
    payload: Bytes,
    quality: Quality,
    retain: bool,
) -> Result<PublishNotice, NotSent> {
    let qos = match quality {
        Quality::AtMostOnce => QoS::AtMostOnce,
        Quality::AtLeastOnce => QoS::AtLeastOnce,
    };
    let options = PublishOptions::new(qos).retain(retain);
    match client.publish_tracked(topic, payload, options).await {
        Ok(notice) => Ok(notice),
        Err(ClientError::RequestChannelDisconnected(_)) => Err(NotSent::Lost),
        Err(_) => Err(NotSent::Refused {
            reason: format!("{topic:?} is no topic to publish to"),
            is_passing: false,
        }),
    }
}

pub(super) async fn arrived(notice: PublishNotice) -> Result<(), NotSent> {
    let (reason, is_passing) = match notice.wait_completion_async().await {
        Ok(()) => return Ok(()),
        Err(PublishNoticeError::V5PubAck(PubAckReason::NoMatchingSubscribers)) => return Ok(()),
        Err(PublishNoticeError::V5PubAck(PubAckReason::NotAuthorized)) => {
            ("not authorised".to_owned(), false)
        }
        Err(PublishNoticeError::V5PubAck(PubAckReason::TopicNameInvalid)) => ("its topic".to_owned(), false),
        Err(PublishNoticeError::V5PubAck(PubAckReason::PayloadFormatInvalid)) => {
            ("its form".to_owned(), false)
        }
        Err(PublishNoticeError::V5PubAck(reason)) => (format!("{reason:?}"), true),
        Err(PublishNoticeError::RetainNotSupported) => ("it retains no messages".to_owned(), false),
        Err(_) => return Err(NotSent::Lost),
    };
    Err(NotSent::Refused { reason, is_passing })
}

fn refusal(code: SubscribeReasonCode) -> Option<String> {
    match code {
        SubscribeReasonCode::Success(_) => None,
        SubscribeReasonCode::NotAuthorized => Some("not authorised".to_owned()),
        code => Some(format!("{code:?}")),
    }
}

fn lost(error: ConnectionError) -> LinkError {
    match error {
        ConnectionError::RequestsDone => LinkError::Over,
        ConnectionError::ConnectionRefused(code) => LinkError::Refused {
            reason: match code {
                ConnectReturnCode::BadUserNamePassword => "wrong user name or password".to_owned(),
                ConnectReturnCode::NotAuthorized => {
                    "not authorised (check user name and password)".to_owned()
                }
                ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => {
                    "it does not speak MQTT 5".to_owned()
                }
                code => format!("{code:?}"),
            },
        },
        error => LinkError::lost(whole_text(&error)),
    }
}

/// Says that nothing of ours was under way, as is true of who only receives at quality of service 1: what was not
/// acknowledged comes again. Without this word a session that the broker has kept would count as foreign.
#[derive(Debug)]
struct NothingUnderWay;

impl SessionStore for NothingUnderWay {
    fn load<'a>(
        &'a self,
        key: &'a SessionStoreKey,
    ) -> BoxFuture<'a, Result<Option<PersistedSession>, SessionStoreError>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(SESSION_KEPT_SECS),
            outgoing_inflight_upper_limit: Some(IN_FLIGHT_MAX),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async { Ok(Some(session)) })
    }

    fn save<'a>(
        &'a self,
        _: &'a SessionStoreKey,
        _: &'a PersistedSession,
    ) -> BoxFuture<'a, Result<(), SessionStoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> BoxFuture<'a, Result<(), SessionStoreError>> {
        Box::pin(async { Ok(()) })
    }
}
