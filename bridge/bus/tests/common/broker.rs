//! A broker without ROS, as small as the client's tests need it.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use iceway_bus::ack::Acker;
use iceway_bus::control::{
    Connection, ErrorBody, ErrorCode, HelloReply, Incoming, Listener, Op, PROTOCOL, Reply,
    ResponseWriter, Role, RouteReply, RouteStats, StatsReply, TopicInfo, TypeReply, check_hello,
};
use iceway_bus::{
    BrokerInfo, BrokerLock, BusNode, Channel, Domain, Frame, FrameFlags, ICEORYX2_VERSION, Limits,
    Publisher, Subscriber, SubscriberOptions, TopicName, VERSION,
};

use super::{limits, message, spec};

/// A topic of the broker: its channel, and both directions.
pub struct Route {
    pub channel: Channel,
    pub publisher: Publisher,
    pub retaining: Publisher,
    pub subscriber: Subscriber,
    pub acker: Acker,
    /// What late joiners get; `Some` = latched.
    pub retained: Option<Vec<u8>>,
}

pub struct State {
    pub node: BusNode,
    pub routes: HashMap<String, Arc<Mutex<Route>>>,
    /// Answer to `subscribe` and `advertise`, instead of a route.
    pub refuse: Option<ErrorBody>,
    /// Live clients: (participant, connection).
    pub clients: Vec<(u64, ResponseWriter)>,
    /// Demand: (client, role, topic).
    pub demand: Vec<(u64, Role, String)>,
    /// Requests seen, by name.
    pub log: Vec<String>,
    pub latched: bool,
    pub ack_buffer: u32,
}

pub struct FakeBroker {
    pub state: Arc<Mutex<State>>,
    domain: Domain,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    lock: Option<BrokerLock>,
}

impl FakeBroker {
    pub fn start(domain: &Domain) -> Self {
        Self::with_limits(domain, &limits())
    }

    pub fn with_limits(domain: &Domain, limits: &Limits) -> Self {
        let lock = BrokerLock::acquire(domain, BrokerInfo::current()).unwrap();
        let node = BusNode::new(domain, "broker", limits).unwrap();
        let listener = Listener::bind(&lock).unwrap();
        let ack_buffer = limits.buffer as u32;
        let state = Arc::new(Mutex::new(State {
            node,
            routes: HashMap::new(),
            refuse: None,
            clients: Vec::new(),
            demand: Vec::new(),
            log: Vec::new(),
            latched: false,
            ack_buffer,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopping) = (state.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            loop {
                let connection = listener.accept().unwrap();
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let shared = shared.clone();
                std::thread::spawn(move || serve(connection, &shared));
            }
        });
        Self {
            state,
            domain: domain.clone(),
            stop,
            thread: Some(thread),
            lock: Some(lock),
        }
    }

    pub fn route(&self, topic: &str) -> Arc<Mutex<Route>> {
        let mut state = self.state.lock().unwrap();
        route(&mut state, topic)
    }

    pub fn send(&self, topic: &str, len: usize, value: u8) {
        let route = self.route(topic);
        let route = route.lock().unwrap();
        super::send(&route.publisher, len, value);
    }

    /// Frames that clients sent and that were not taken yet.
    pub fn take(&self, topic: &str) -> Vec<Frame> {
        let route = self.route(topic);
        let route = route.lock().unwrap();
        std::iter::from_fn(|| route.subscriber.receive().unwrap()).collect()
    }
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(self.domain.broker_sock());
        self.thread.take().unwrap().join().unwrap();
        let mut state = self.state.lock().unwrap();
        state
            .clients
            .drain(..)
            .for_each(|(_, writer)| writer.shutdown());
        state.routes.clear();
        drop(self.lock.take());
    }
}

fn route(state: &mut State, topic: &str) -> Arc<Mutex<Route>> {
    if let Some(route) = state.routes.get(topic) {
        return route.clone();
    }
    let channel = state
        .node
        .create_channel(&TopicName::new(topic).unwrap(), &spec())
        .unwrap();
    let options = SubscriberOptions {
        depth: state.node.limits().buffer,
        ..SubscriberOptions::default()
    };
    let route = Route {
        publisher: super::publisher(&channel),
        retaining: super::publisher(&channel),
        subscriber: channel.subscriber(&options).unwrap(),
        acker: channel.acker().unwrap(),
        retained: state.latched.then(Vec::new),
        channel,
    };
    state.node.announcer().unwrap().notify();
    let route = Arc::new(Mutex::new(route));
    state.routes.insert(topic.to_owned(), route.clone());
    route
}

fn serve(mut connection: Connection, state: &Mutex<State>) {
    let mut participant = 0;
    loop {
        match connection.read_request() {
            Incoming::Request(request) => {
                let mut state = state.lock().unwrap();
                if let Op::Hello(hello) = &request.op {
                    participant = hello.participant;
                    state.clients.push((participant, connection.writer()));
                }
                let answer = answer(&mut state, participant, request.op);
                let _ = connection.write_response(request.id, answer);
            }
            Incoming::Malformed { id, error } => {
                let _ = connection.write_response(id, Err(error));
            }
            Incoming::Closed { .. } => {
                let mut state = state.lock().unwrap();
                state.clients.retain(|(client, _)| *client != participant);
                state.demand.retain(|(client, _, _)| *client != participant);
                return;
            }
        }
    }
}

fn answer(state: &mut State, client: u64, op: Op) -> Result<Reply, ErrorBody> {
    let name = format!("{op:?}");
    state
        .log
        .push(name.split([' ', '(', '{']).next().unwrap().to_owned());
    match op {
        Op::Hello(hello) => {
            check_hello(&hello)?;
            Ok(Reply::Hello(HelloReply {
                protocol: PROTOCOL,
                version: VERSION.to_owned(),
                iceoryx2: ICEORYX2_VERSION.to_owned(),
                pid: std::process::id(),
                participant: state.node.id(),
                limits: state.node.limits().clone(),
                ros: None,
            }))
        }
        Op::Topics {} => Ok(Reply::Topics {
            topics: state
                .routes
                .keys()
                .map(|name| TopicInfo {
                    name: name.clone(),
                    bridged: true,
                    ..TopicInfo::default()
                })
                .collect(),
        }),
        Op::Describe { type_name } if type_name == spec().type_name.to_string() => {
            Ok(Reply::Type(TypeReply {
                type_name,
                hash: spec().type_hash.to_string(),
                definition: "uint8[] data\n".to_owned(),
            }))
        }
        Op::Describe { type_name } => Err(ErrorBody::new(
            ErrorCode::UnknownType,
            format!("{type_name} is not installed"),
        )),
        Op::Subscribe { topic, .. } => granted(state, client, Role::Subscriber, topic),
        Op::Advertise { topic, .. } => granted(state, client, Role::Publisher, topic),
        Op::Unsubscribe { route } | Op::Unadvertise { route } => {
            let topic = format!("/t{route}");
            state
                .demand
                .retain(|(who, _, of)| !(*who == client && *of == topic));
            Ok(Reply::Done {})
        }
        Op::Ready {
            route: id,
            receiver,
            ..
        } => {
            let route = route(state, &format!("/t{id}"));
            let route = route.lock().unwrap();
            route.subscriber.update_connections();
            for value in route.retained.iter().flatten() {
                let mut loan = route.retaining.loan(100, None).unwrap();
                let header = loan.header_mut();
                header.flags = FrameFlags::RETAINED.0;
                header.target = receiver.unwrap_or(0);
                header.publication_seq = u64::from(*value);
                loan.fill(&message(100, *value)).send().unwrap();
            }
            Ok(Reply::Done {})
        }
        Op::Connected { .. } => Ok(Reply::Done {}),
        Op::Stats {} => Ok(Reply::Stats(StatsReply {
            routes: vec![RouteStats {
                topic: "/t1".to_owned(),
                ..RouteStats::default()
            }],
            ..StatsReply::default()
        })),
    }
}

/// Topics are named `/t<number>`, and the number is the route.
fn granted(state: &mut State, client: u64, role: Role, topic: String) -> Result<Reply, ErrorBody> {
    if let Some(error) = &state.refuse {
        return Err(error.clone());
    }
    let Some(id) = topic.strip_prefix("/t").and_then(|text| text.parse().ok()) else {
        return Err(ErrorBody::new(
            ErrorCode::UnknownTopic,
            format!("nobody offers {topic}"),
        ));
    };
    let found = route(state, &topic);
    let latched = found.lock().unwrap().retained.is_some();
    state.demand.push((client, role, topic.clone()));
    let name = TopicName::new(&topic).unwrap();
    Ok(Reply::Route(Box::new(RouteReply {
        route: id,
        channel: state.node.domain().channel_name(&name),
        topic,
        type_name: spec().type_name.to_string(),
        hash: spec().type_hash.to_string(),
        definition: "uint8[] data\n".to_owned(),
        latched,
        retained: 8,
        ack_buffer: state.ack_buffer,
    })))
}
