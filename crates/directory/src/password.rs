//! Passwords and their argon2id hashes (RFC 9106), stored as PHC strings.
//!
//! A password cannot be printed, and its octets are overwritten when it goes. The overwriting is all that
//! safe code can promise: copies that the caller made, or that moved in memory before, are not known here.

use crate::limits::{
    ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, PASSWORD_CHARACTERS_MIN, PASSWORD_OCTETS_MAX,
};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fmt;

/// A password in the clear: 1 to [`PASSWORD_OCTETS_MAX`] octets.
pub struct Password(Vec<u8>);

/// The octets are no password: none, or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPassword;

impl fmt::Display for NotAPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a password has 1 to {PASSWORD_OCTETS_MAX} octets")
    }
}

impl std::error::Error for NotAPassword {}

impl Password {
    /// Takes the octets over; they are overwritten when the password goes, or at once when they are none.
    ///
    /// # Errors
    /// No octets, or too many.
    pub fn new(octets: impl Into<Vec<u8>>) -> Result<Self, NotAPassword> {
        // Made first, so that a refused one is overwritten too.
        let password = Self(octets.into());
        if (1..=PASSWORD_OCTETS_MAX).contains(&password.0.len()) { Ok(password) } else { Err(NotAPassword) }
    }

    /// Whether it is long enough to be set; octets that are no UTF-8 count one by one.
    pub(crate) fn is_long_enough(&self) -> bool {
        let characters = std::str::from_utf8(&self.0).map_or(self.0.len(), |text| text.chars().count());
        characters >= PASSWORD_CHARACTERS_MIN
    }

    /// A PHC string with a fresh salt from the operating system. Takes tens of milliseconds.
    pub(crate) fn hash(&self) -> Result<String, HashError> {
        Ok(argon2()?.hash_password(&self.0)?.to_string())
    }

    /// Whether this is the password behind the PHC string. Takes tens of milliseconds.
    pub(crate) fn matches(&self, phc: &str) -> Result<bool, HashError> {
        // The parameters are those of the stored hash.
        match argon2()?.verify_password(&self.0, &PasswordHash::new(phc)?) {
            Ok(()) => Ok(true),
            Err(HashError::PasswordInvalid) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes as long as [`Self::matches`] does for a hash made by [`Self::hash`], and finds nothing.
    pub(crate) fn match_nothing(&self) -> Result<(), HashError> {
        let hash: PasswordHash = argon2()?.hash_password_with_salt(&self.0, b"nobody has this.")?;
        std::hint::black_box(hash);
        Ok(())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.fill(0);
        // Read once more, so that the writing is not optimised away.
        std::hint::black_box(&self.0);
    }
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let password = Password::new("open sesame").unwrap();
        assert!(!format!("{password:?}").contains("sesame"));
    }

    #[test]
    fn a_hash_names_its_parameters_and_has_a_salt_of_its_own() {
        let password = Password::new("open sesame").unwrap();
        let (one, two) = (password.hash().unwrap(), password.hash().unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, two);
        assert_eq!(password.matches(&one), Ok(true));
        assert_eq!(Password::new("open sesamE").unwrap().matches(&one), Ok(false));
    }

    #[test]
    fn none_and_too_many_octets_are_no_password() {
        assert!(Password::new("").is_err());
        assert!(Password::new(vec![b'a'; PASSWORD_OCTETS_MAX + 1]).is_err());
        assert!(!Password::new("üüüüüüü").unwrap().is_long_enough());
        assert!(Password::new("üüüüüüüü").unwrap().is_long_enough());
    }
}
