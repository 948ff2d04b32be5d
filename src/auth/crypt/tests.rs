//! Hashes of every kind, made by another program (perl's crypt), right and bent.

use super::*;

const SHA512: &str = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
const ROUNDS: &str = "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/";
const SHA256: &str = "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA";
const YESCRYPT: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0";
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

/// glibc's own libcrypt knows neither yescrypt nor bcrypt, and some systems have none.
fn assert_verifies(hash: &str, password: &[u8], right: bool) {
    match (verify(hash, password), supported(hash)) {
        (Ok(verified), Ok(())) => assert_eq!(verified, right, "{hash}"),
        (Err(error), _) => assert!(
            library().is_none_or(|library| library.check_salt.is_none()),
            "{hash}: {error}"
        ),
        (Ok(_), Err(error)) => panic!("{hash}: {error}"),
    }
}

#[test]
fn right_and_wrong_passwords() {
    for hash in [SHA512, ROUNDS, SHA256, YESCRYPT, BCRYPT] {
        Crypt::parse(hash).expect(hash);
        assert_verifies(hash, b"secret", true);
        for wrong in [
            b"Secret".as_slice(),
            b"",
            b"secret ",
            b"secret\0",
            b"secret\0x",
            b"\0",
        ] {
            assert_verifies(hash, wrong, false);
        }
    }
}

#[test]
fn a_password_beyond_what_libcrypt_takes_is_wrong() {
    assert_verifies(ROUNDS, &[b'x'; MAX_PHRASE], false);
    assert_verifies(ROUNDS, &[b'x'; 16 * 1024], false);
}

#[test]
fn malformed_hashes() {
    for (hash, from, to) in [
        (SHA512, "hVO1", "hVO"),
        (SHA512, "hVO1", "hV:1"),
        (SHA512, "saltsalt", ""),
        (SHA512, "saltsalt", "saltsaltsaltsalts"),
        (SHA512, "$6$", "$5$"),
        (SHA512, "$6$saltsalt$", "$6$"),
        (ROUNDS, "rounds=1000", "rounds=+1000"),
        (ROUNDS, "rounds=1000", "rounds=99999999999999999999999"),
        (SHA256, "sA", "sA$"),
        (YESCRYPT, "j9T", "j9"),
        (YESCRYPT, "j9T", "j9TT"),
        (YESCRYPT, "j9T", "j9z"),
        (YESCRYPT, "j9T", "/9T"),
        (YESCRYPT, "Ky0", "Ky"),
        (YESCRYPT, "$F5Jx5fExrKuPp53xLKQ..1", ""),
        (BCRYPT, "$05$", "$5$"),
        (BCRYPT, "$05$", "$+5$"),
        (BCRYPT, "$05$", "$03$"),
        (BCRYPT, "jl0a", "jl0"),
    ] {
        let bent = hash.replacen(from, to, 1);
        assert_ne!(bent, hash);
        let error = Crypt::parse(&bent).expect_err(&bent);
        assert!(error.contains("malformed; allowed: "), "{bent}: {error}");
    }
}

#[test]
fn costs_are_bounded() {
    for (hash, from, to, told) in [
        (ROUNDS, "rounds=1000", "rounds=5000001", "up to 5000000"),
        (BCRYPT, "$05$", "$17$", "4 to 16"),
        (BCRYPT, "$05$", "$99$", "4 to 16"),
        (YESCRYPT, "j9T", "jET", "256 MiB"),
        (YESCRYPT, "j9T", "jjj", "256 MiB"),
    ] {
        let error = Crypt::parse(&hash.replacen(from, to, 1)).expect_err(to);
        assert!(error.contains(told), "{error}");
    }
    for (hash, from, to) in [
        (ROUNDS, "rounds=1000", "rounds=5000000"),
        (BCRYPT, "$05$", "$16$"),
        (YESCRYPT, "j9T", "jDT"),
    ] {
        assert!(Crypt::parse(&hash.replacen(from, to, 1)).is_ok(), "{to}");
    }
}

#[test]
fn costlier_hashes_are_known_to_be() {
    let work = |hash: &str| Crypt::parse(hash).expect(hash).work();
    let order = [work(ROUNDS), work(SHA512), work(BCRYPT), work(YESCRYPT)];
    assert!(order.is_sorted(), "{order:?}");
    assert!(work(&BCRYPT.replace("$05$", "$12$")) > work(YESCRYPT));
}
