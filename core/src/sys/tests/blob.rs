use super::*;
use crate::sys::shared::SharedMemory;
use crate::sys::testing::{alone, open_count};
use std::io::Read;

#[test]
fn the_parts_are_read_back_as_one_and_nothing_leaks() {
    alone(|| {
        let before = open_count();
        let large: Vec<u8> = (0..300_000u32).map(|index| index as u8).collect();
        let fd = seal("blob", &[b"state", b"", &large]).unwrap();
        assert_eq!(open_count(), before + 1);
        for _ in 0..2 {
            let bytes = read(fd.as_fd(), 300_005).unwrap();
            assert_eq!((&bytes[..5], &bytes[5..]), (&b"state"[..], &large[..]));
        }
        assert!(read(fd.as_fd(), 1).is_err());
        assert_eq!(open_count(), before + 1);
        drop(fd);
        assert_eq!(open_count(), before);
    });
}

#[test]
fn an_empty_blob_is_read_as_nothing() {
    assert_eq!(read(seal("blob", &[]).unwrap().as_fd(), 0).unwrap(), b"");
}

#[test]
fn a_blob_whose_length_lies_is_refused() {
    let fd = seal("blob", &[b"12345"]).unwrap();
    for announced in [0, 4, 6, u64::MAX] {
        let error = read(fd.as_fd(), announced).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("has 5 bytes"), "{error}");
    }
}

#[test]
fn a_blob_that_can_still_change_is_refused() {
    let mut unsealed = memfd::create("unsealed").unwrap();
    unsealed.write_all(b"12345").unwrap();
    assert_eq!(read(unsealed.as_fd(), 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let writable = SharedMemory::create("writable", 5).unwrap();
    assert_eq!(read(writable.descriptor(), 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let file = File::open("/proc/self/status").unwrap();
    assert_eq!(read(file.as_fd(), 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_sealed_blob_can_be_neither_written_nor_moved_by_a_read() {
    let fd = seal("blob", &[b"12345"]).unwrap();
    let mut file = File::from(fd.try_clone().unwrap());
    assert_eq!(file.write_all(b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
    let (mut at_offset, offset) = (Vec::new(), io::Seek::stream_position(&mut file).unwrap());
    read(fd.as_fd(), 5).unwrap();
    assert_eq!(io::Seek::stream_position(&mut file).unwrap(), offset);
    file.read_to_end(&mut at_offset).unwrap();
    assert_eq!(at_offset.len() as u64, 5 - offset);
}
