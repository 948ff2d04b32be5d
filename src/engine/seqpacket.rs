//! Packets and descriptors over a unix socket of type SOCK_SEQPACKET (unix(7)).

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Room for the header of a control message and one descriptor, aligned for the header.
type Control = [usize; 4];

/// Two sockets that are connected to each other.
///
/// # Errors
/// The error of the system.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: there is room for the two descriptors that are written.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were just made and are nobody else's.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Whether a descriptor is a socket of this kind.
#[must_use]
pub fn keeps_packets(socket: BorrowedFd<'_>) -> bool {
    let mut kind: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: there is room for the number that is asked for, as long as it is said to be.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TYPE,
            (&raw mut kind).cast(),
            &raw mut length,
        )
    };
    result == 0 && kind == libc::SOCK_SEQPACKET
}

/// Sends a packet, with a descriptor if there is one: all of it or nothing.
///
/// # Errors
/// The error of the system. When the peer is gone it is [`io::ErrorKind::BrokenPipe`], without a signal.
pub fn send(
    socket: BorrowedFd<'_>,
    packet: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut part = libc::iovec {
        iov_base: packet.as_ptr().cast_mut().cast(),
        iov_len: packet.len(),
    };
    let mut control: Control = [0; 4];
    // SAFETY: an all-zero msghdr is a valid one. Every pointer in it is of something that outlives the call, and the
    // control message, its header included, lies within `control` and is aligned as it.
    let sent = unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        if let Some(descriptor) = descriptor {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = message.msg_controllen;
            ptr::write_unaligned(libc::CMSG_DATA(header).cast(), descriptor.as_raw_fd());
        }
        retry(|| libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL))?
    };
    if sent == packet.len() {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::WriteZero))
    }
}

/// Receives a packet; `None` when the peer is gone. Descriptors that come with it are closed by the system.
///
/// # Errors
/// The error of the system; [`io::ErrorKind::InvalidData`] for a packet that is longer than the buffer.
pub fn receive<'b>(
    socket: BorrowedFd<'_>,
    buffer: &'b mut [u8],
) -> io::Result<Option<&'b mut [u8]>> {
    let (packet, _) = receive_into(socket, buffer, &mut [])?;
    Ok((!packet.is_empty()).then_some(packet))
}

/// As [`receive`], with the descriptor that comes with the packet.
///
/// # Errors
/// As [`receive`].
pub fn receive_with_descriptor<'b>(
    socket: BorrowedFd<'_>,
    buffer: &'b mut [u8],
) -> io::Result<Option<(&'b mut [u8], Option<OwnedFd>)>> {
    let mut control: Control = [0; 4];
    let (packet, descriptor) = receive_into(socket, buffer, &mut control)?;
    Ok((!packet.is_empty()).then_some((packet, descriptor)))
}

fn receive_into<'b>(
    socket: BorrowedFd<'_>,
    buffer: &'b mut [u8],
    control: &mut [usize],
) -> io::Result<(&'b mut [u8], Option<OwnedFd>)> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: an all-zero msghdr is a valid one. Every pointer in it is of something that outlives the call and is as
    // long as it is said to be; one descriptor fits, and the system closes what does not fit.
    let (length, message) = unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        if !control.is_empty() {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
        }
        let flags = libc::MSG_CMSG_CLOEXEC;
        let length = retry(|| libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags))?;
        (length, message)
    };
    let descriptor = descriptor_in(&message);
    if message.msg_flags & libc::MSG_TRUNC != 0 {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let packet = buffer.get_mut(..length).unwrap_or_default();
    Ok((packet, descriptor))
}

fn descriptor_in(message: &libc::msghdr) -> Option<OwnedFd> {
    // SAFETY: the system has filled the control messages; a header of this kind, as long as this, is followed by one
    // descriptor, which is this process's from now on and nobody else's.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message).as_ref()?;
        let is_one = header.cmsg_level == libc::SOL_SOCKET
            && header.cmsg_type == libc::SCM_RIGHTS
            && header.cmsg_len as usize == libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize;
        if !is_one {
            return None;
        }
        let fd: RawFd = ptr::read_unaligned(libc::CMSG_DATA(header).cast());
        Some(OwnedFd::from_raw_fd(fd))
    }
}

/// Repeats a call that a signal interrupted. Returns the count, or the error of the system.
fn retry(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn packets_stay_apart_and_the_end_is_seen() {
        let (near, far) = pair().unwrap();
        send(near.as_fd(), b"one", None).unwrap();
        send(near.as_fd(), b"three", None).unwrap();
        drop(near);
        let mut buffer = [0; 8];
        assert_eq!(receive(far.as_fd(), &mut buffer).unwrap().unwrap(), b"one");
        assert_eq!(
            receive(far.as_fd(), &mut buffer).unwrap().unwrap(),
            b"three"
        );
        assert!(receive(far.as_fd(), &mut buffer).unwrap().is_none());
        let error = send(far.as_fd(), b"x", None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_packet_that_is_too_long_is_an_error_and_not_cut() {
        let (near, far) = pair().unwrap();
        send(near.as_fd(), b"123456789", None).unwrap();
        let error = receive(far.as_fd(), &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_descriptor_arrives_and_is_closed_where_none_is_wanted() {
        let (near, far) = pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"within").unwrap();
        file.rewind().unwrap();
        let mut buffer = [0; 8];

        send(near.as_fd(), b"here", Some(file.as_fd())).unwrap();
        let (packet, received) = receive_with_descriptor(far.as_fd(), &mut buffer)
            .unwrap()
            .unwrap();
        assert_eq!(packet, b"here");
        let mut text = String::new();
        let mut received = File::from(received.unwrap());
        received.read_to_string(&mut text).unwrap();
        assert_eq!(text, "within");

        send(near.as_fd(), b"none", None).unwrap();
        let (packet, received) = receive_with_descriptor(far.as_fd(), &mut buffer)
            .unwrap()
            .unwrap();
        assert_eq!((&*packet, received.is_none()), (&b"none"[..], true));

        let (reader, writer) = io::pipe().unwrap();
        send(near.as_fd(), b"pipe", Some(writer.as_fd())).unwrap();
        drop(writer);
        assert!(receive(far.as_fd(), &mut buffer).unwrap().is_some());
        // Were the pipe's end still open somewhere, this would not end.
        let mut rest = Vec::new();
        (&reader).read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
    }

    #[test]
    fn other_descriptors_are_told_apart() {
        let (near, _far) = pair().unwrap();
        assert!(keeps_packets(near.as_fd()));
        let (stream, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(!keeps_packets(stream.as_fd()));
        assert!(!keeps_packets(tempfile::tempfile().unwrap().as_fd()));
    }
}
