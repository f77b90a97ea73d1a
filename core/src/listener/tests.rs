use super::*;
use crate::sys::testing::{TempDir, alone, open_count};
use proptest::prelude::*;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Barrier;
use std::thread;

fn address_of(listener: &OwnedFd) -> SocketAddr {
    match inet::name(listener.as_fd()).unwrap() {
        Name::Inet(address) => address,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tcp_listener_accepts_and_its_options_are_set() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let spec = ListenerSpec::tcp(address).nodelay(true).backlog(7);
        let fd = spec.bind().unwrap();
        spec.check(fd.as_fd()).unwrap();
        assert!(inet::is_set(fd.as_fd(), Switch::ReuseAddress).unwrap());
        let client = TcpStream::connect(address_of(&fd)).unwrap();
        let listener = TcpListener::from(fd);
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.nodelay().unwrap(), "accepted sockets inherit it");
        drop(client);
        let none = listener.accept().unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock, "the listener does not block");
    }
}

#[test]
fn v6only_is_as_asked_whatever_the_default_of_the_system_is() {
    // Only where it listens at all addresses does it make a difference.
    let everywhere = ListenerSpec::tcp("[::]:0");
    for on in [false, true] {
        let fd = everywhere.clone().v6only(on).bind().unwrap();
        assert_eq!(inet::is_set(fd.as_fd(), Switch::V6Only).unwrap(), on);
        let error = everywhere.clone().v6only(!on).check(fd.as_fd()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ListenerMismatch);
        assert!(error.what().contains(&format!("v6only={}", u8::from(on))), "{error}");
    }
}

#[test]
fn an_address_that_is_no_address_is_an_error_and_no_panic() {
    for text in ["", "localhost:80", "0.0.0.0", "[::]", "1.2.3.4:99999", "[::1]:80?v6only=1"] {
        let spec = ListenerSpec::tcp(text);
        let fd: OwnedFd = File::open("/dev/null").unwrap().into();
        for error in [
            spec.bind().unwrap_err(),
            format!("tcp://{text}").parse::<ListenerSpec>().err().unwrap_or(spec.bind().unwrap_err()),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}: {error}");
        }
        assert!(spec.check(fd.as_fd()).is_err());
    }
    let no_interface = ListenerSpec::tcp("192.0.2.1:0").bind().unwrap_err();
    assert_eq!(no_interface.kind(), ErrorKind::System);
    assert!(no_interface.state().contains("no interface"), "{no_interface}");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let cases = [
        ListenerSpec::unix("/tmp/zdt-x.sock").v6only(true),
        ListenerSpec::unix("/tmp/zdt-x.sock").nodelay(true),
        ListenerSpec::unix(""),
        ListenerSpec::tcp("127.0.0.1:0").v6only(true),
        ListenerSpec::tcp("127.0.0.1:0").mode(0o600),
        ListenerSpec::udp("127.0.0.1:0").v6only(true),
        ListenerSpec::udp("127.0.0.1:0").nodelay(true),
        ListenerSpec::udp("127.0.0.1:0").backlog(4096),
        ListenerSpec::udp("127.0.0.1:0").mode(0o600),
        ListenerSpec::udp("localhost:53"),
        ListenerSpec::abstract_unix("zdt-x").mode(0o600),
        ListenerSpec::abstract_unix("zdt-x").reuseport(true),
        ListenerSpec::abstract_unix(""),
        ListenerSpec::abstract_unix([1; 108]),
        ListenerSpec::unix("/tmp/zdt\0x.sock"),
    ];
    for spec in cases {
        assert_eq!(spec.bind().unwrap_err().kind(), ErrorKind::InvalidArgument, "{spec}");
    }
    let long = ListenerSpec::unix(format!("/tmp/{}", "x".repeat(103))).bind().unwrap_err();
    assert_eq!(long.kind(), ErrorKind::PathTooLong, "{long}");
}

#[test]
fn an_address_in_use_says_what_to_do() {
    let first = ListenerSpec::tcp("127.0.0.1:0").bind().unwrap();
    let error = ListenerSpec::tcp(address_of(&first).to_string()).bind().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    assert!(error.to_string().contains("ss -tlnp"), "{error}");
}

#[test]
fn an_inherited_listener_that_is_another_one_is_refused_with_both_named() {
    let directory = TempDir::fresh();
    let spec = ListenerSpec::tcp("127.0.0.1:0");
    let listener = spec.bind().unwrap();
    let port = address_of(&listener).port();
    ListenerSpec::tcp(format!("127.0.0.1:{port}")).check(listener.as_fd()).unwrap();
    let path = directory.path().join("x.sock");
    let unix = ListenerSpec::unix(&path);
    let unix_listener = unix.bind().unwrap();
    unix.check(unix_listener.as_fd()).unwrap();
    let dial = TcpStream::connect(address_of(&listener)).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagram = UnixDatagram::unbound().unwrap();
    let not_listening = inet::socket(Family::V4).unwrap();
    let file = File::open("/dev/null").unwrap();
    let other_port = ListenerSpec::tcp(format!("127.0.0.1:{}", port.wrapping_add(1).max(1)));
    let udp_spec = ListenerSpec::udp("127.0.0.1:0");
    udp_spec.check(udp.as_fd()).unwrap();
    udp_spec.check(udp_spec.bind().unwrap().as_fd()).unwrap();
    let abstract_spec = ListenerSpec::abstract_unix(format!("zdt{}", directory.path().display()));
    let abstract_listener = abstract_spec.bind().unwrap();
    abstract_spec.check(abstract_listener.as_fd()).unwrap();
    let cases = [
        (&spec, dial.as_fd(), "SO_ACCEPTCONN 0 instead of 1"),
        (&spec, not_listening.as_fd(), "SO_ACCEPTCONN 0 instead of 1"),
        (&spec, udp.as_fd(), "SO_TYPE 2 instead of 1"),
        (&spec, unix_listener.as_fd(), "SO_DOMAIN 1 instead of 2"),
        (&spec, file.as_fd(), "no socket"),
        (&unix, datagram.as_fd(), "SO_TYPE 2 instead of 1"),
        (&unix, listener.as_fd(), "SO_DOMAIN 2 instead of 1"),
        (&other_port, listener.as_fd(), &format!("tcp://127.0.0.1:{port}")),
        (&ListenerSpec::tcp("127.0.0.2:0"), listener.as_fd(), &format!("tcp://127.0.0.1:{port}")),
        (&udp_spec, listener.as_fd(), "SO_TYPE 1 instead of 2"),
        (&ListenerSpec::udp("127.0.0.2:0"), udp.as_fd(), &format!("udp://{}", udp.local_addr().unwrap())),
        (&abstract_spec, unix_listener.as_fd(), path.to_str().unwrap()),
        (&unix, abstract_listener.as_fd(), &abstract_spec.to_string()),
        (&ListenerSpec::unix("/elsewhere"), unix_listener.as_fd(), path.to_str().unwrap()),
    ];
    for (spec, fd, found) in cases {
        let error = spec.check(fd).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ListenerMismatch);
        assert!(error.what().contains(found) && error.what().contains(&spec.to_string()), "{error}; {found}");
    }
}

#[test]
fn a_unix_listener_has_the_mode_and_name_that_were_asked_for() {
    let directory = TempDir::fresh();
    let path = directory.path().join("x.sock");
    let fd = ListenerSpec::unix(&path).mode(0o640).bind().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(inet::name(fd.as_fd()).unwrap(), Name::Path(path.clone()));
    let mut client = UnixStream::connect(&path).unwrap();
    let (mut accepted, _) = UnixListener::from(fd).accept().unwrap();
    client.write_all(b"x").unwrap();
    accepted.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_path_at_which_nobody_listens_is_replaced_and_one_in_use_is_not() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("x.sock");
        drop(UnixListener::bind(&path).unwrap());
        let spec = ListenerSpec::unix(&path);
        let _listener = spec.bind().unwrap();
        let error = spec.bind().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
        UnixStream::connect(&path).unwrap();
        let mut seqpacket = path.clone();
        seqpacket.set_file_name("seqpacket.sock");
        let other_type = unix::bind_seqpacket(&seqpacket).unwrap();
        unix::listen(other_type.as_fd(), 1).unwrap();
        let error = ListenerSpec::unix(&seqpacket).bind().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
        assert!(seqpacket.exists());
    });
}

#[test]
fn a_listener_with_a_full_queue_is_in_use() {
    let directory = TempDir::fresh();
    let path = directory.path().join("x.sock");
    let spec = ListenerSpec::unix(&path).backlog(0);
    let _listener = spec.bind().unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    assert_eq!(spec.bind().unwrap_err().kind(), ErrorKind::AddressInUse);
}

#[test]
fn a_foreign_file_is_left_alone() {
    let directory = TempDir::fresh();
    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    let link = directory.path().join("link");
    symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let error = ListenerSpec::unix(path).bind().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForeignFile, "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(link.is_symlink());
    let nowhere = ListenerSpec::unix(directory.path().join("missing/x.sock")).bind().unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::DirectoryMissing, "{nowhere}");
}

#[test]
fn of_many_that_find_a_stale_path_one_listens_there() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("x.sock");
        for _ in 0..20 {
            let start = Barrier::new(4);
            thread::scope(|scope| {
                let racers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            ListenerSpec::unix(&path).bind()
                        })
                    })
                    .collect();
                let results: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
                assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
                let lost = results.iter().filter_map(|result| result.as_ref().err());
                lost.for_each(|error| assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}"));
                UnixStream::connect(&path).unwrap();
            });
        }
    });
}

#[test]
fn a_failed_bind_leaves_no_descriptor_and_no_file() {
    alone(|| {
        let directory = TempDir::fresh();
        let path = directory.path().join("x.sock");
        let held =
            [ListenerSpec::tcp("127.0.0.1:0").bind().unwrap(), ListenerSpec::unix(&path).bind().unwrap()];
        let open = open_count();
        ListenerSpec::tcp(address_of(&held[0]).to_string()).bind().unwrap_err();
        ListenerSpec::unix(&path).bind().unwrap_err();
        assert_eq!(open_count(), open);
        let files: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files.len(), 2, "the socket and its lock: {files:?}");
    });
}

#[test]
fn the_queue_of_a_listener_is_counted_for_tcp_and_seen_for_unix() {
    let tcp = ListenerSpec::tcp("127.0.0.1:0").bind().unwrap();
    assert_eq!((queue_length(tcp.as_fd()), is_unserved(tcp.as_fd())), (Some(0), false));
    let _clients = [(); 2].map(|()| TcpStream::connect(address_of(&tcp)).unwrap());
    assert_eq!((queue_length(tcp.as_fd()), is_unserved(tcp.as_fd())), (Some(2), true));
    let directory = TempDir::fresh();
    let path = directory.path().join("x.sock");
    let unix = ListenerSpec::unix(&path).bind().unwrap();
    assert_eq!((queue_length(unix.as_fd()), is_unserved(unix.as_fd())), (None, false));
    let _client = UnixStream::connect(&path).unwrap();
    assert_eq!((queue_length(unix.as_fd()), is_unserved(unix.as_fd())), (None, true));
    assert_eq!(queue_length(_client.as_fd()), None);
}

#[test]
fn options_travel_as_bits() {
    let spec = ListenerSpec::tcp("[::]:80").backlog(9);
    assert_eq!((spec.options_bits(), spec.backlog_length()), (0, 9));
    assert_eq!(spec.clone().v6only(true).options_bits(), 1);
    assert_eq!(spec.clone().nodelay(true).options_bits(), 2);
    assert_eq!(spec.reuseport(true).options_bits(), 4);
}

#[test]
fn a_listener_in_words_is_what_it_says() {
    let cases = [
        ("tcp://0.0.0.0:8080", ListenerSpec::tcp("0.0.0.0:8080")),
        ("tcp://[::]:8080?v6only=1", ListenerSpec::tcp("[::]:8080").v6only(true)),
        (
            "tcp://[::1]:0?backlog=128&v6only=1&nodelay=1&reuseport=1",
            ListenerSpec::tcp("[::1]:0").backlog(128).v6only(true).nodelay(true).reuseport(true),
        ),
        ("unix:///run/x.sock", ListenerSpec::unix("/run/x.sock")),
        ("unix://x.sock?backlog=0&mode=0660", ListenerSpec::unix("x.sock").backlog(0).mode(0o660)),
        ("unix:///run/a%3fb%25%20c", ListenerSpec::unix("/run/a?b% c")),
        ("udp://0.0.0.0:53", ListenerSpec::udp("0.0.0.0:53")),
        ("udp://[::]:53?v6only=1&reuseport=1", ListenerSpec::udp("[::]:53").v6only(true).reuseport(true)),
        ("unix://@app/%00%3f@?backlog=4096", ListenerSpec::abstract_unix("app/\0?@").backlog(4096)),
        ("unix://%40app@", ListenerSpec::unix("@app@")),
    ];
    for (text, spec) in cases {
        assert_eq!(text.parse::<ListenerSpec>().unwrap(), spec);
        assert_eq!(spec.to_string(), text);
    }
    assert_eq!("tcp://1.2.3.4:5?nodelay=0&".parse::<ListenerSpec>().unwrap(), ListenerSpec::tcp("1.2.3.4:5"));
}

#[test]
fn words_that_are_no_listener_are_refused() {
    let cases = [
        "",
        "tcp",
        "http://0.0.0.0:80",
        "tcp://0.0.0.0",
        "tcp://host:80",
        "tcp://1.2.3.4:5?v6only=1",
        "tcp://1.2.3.4:5?nodelay",
        "tcp://1.2.3.4:5?nodelay=yes",
        "tcp://1.2.3.4:5?backlog=-1",
        "tcp://1.2.3.4:5?colour=red",
        "unix://",
        "unix:///x?mode=999",
        "unix:///x?mode=7777",
        "unix:///x%",
        "unix:///x%zz",
        "unix:///x?reuseport=1",
        "unix:///x%00",
        "unix://@",
        "unix://@x?mode=0600",
        "udp://host:53",
        "udp://1.2.3.4:5?backlog=1",
        "udp://1.2.3.4:5?nodelay=1",
    ];
    for text in cases {
        let error = text.parse::<ListenerSpec>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn any_path_and_options_come_back_from_words(
        path in proptest::collection::vec(1u8.., 1..107),
        backlog: u32,
        mode in proptest::option::of(0u32..=0o777),
    ) {
        use std::os::unix::ffi::OsStringExt;
        let spec = ListenerSpec::unix(PathBuf::from(std::ffi::OsString::from_vec(path))).backlog(backlog);
        let spec = mode.into_iter().fold(spec, ListenerSpec::mode);
        let text = spec.to_string();
        prop_assert!(text.len() <= crate::wire::limits::MAX_ADDRESS);
        prop_assert_eq!(text.parse::<ListenerSpec>().unwrap(), spec);
    }

    #[test]
    fn any_abstract_name_comes_back_from_words(name in proptest::collection::vec(any::<u8>(), 1..=107)) {
        let spec = ListenerSpec::abstract_unix(name).backlog(u32::MAX);
        let text = spec.to_string();
        prop_assert!(text.len() <= crate::wire::limits::MAX_ADDRESS);
        prop_assert_eq!(text.parse::<ListenerSpec>().unwrap(), spec);
    }

    #[test]
    fn arbitrary_words_never_panic(text in "(tcp|udp|unix)://\\PC{0,40}") {
        let _ = text.parse::<ListenerSpec>();
    }
}
