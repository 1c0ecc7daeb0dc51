//! Answers of DNS, remembered for a while (RFC 1034 §4.3.4, RFC 2308): a bounded number, each of bounded
//! size, so that hostile zones cannot fill the memory.
//!
//! Two generations instead of a list by age: what is asked for moves into the young one; when that is full
//! it becomes the old one, and what nobody asked for meanwhile is forgotten.

use postrider_mail::Domain;
use postrider_mail::dns::{NoRecords, Records};
use std::collections::HashMap;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) type Answer<T> = Result<Records<T>, NoRecords>;

/// Answers to one type of question.
pub(super) struct Cache<T>(Mutex<Generations<T>>);

struct Generations<T> {
    young: HashMap<Box<str>, Entry<T>>,
    old: HashMap<Box<str>, Entry<T>>,
    young_max: usize,
}

struct Entry<T> {
    answer: Answer<T>,
    until: Instant,
}

/// The addresses of hosts, by family, and the exchangers of domains share one bound.
pub(super) struct Caches {
    pub(super) mx: Cache<postrider_mail::dns::Mx>,
    pub(super) a: Cache<Ipv4Addr>,
    pub(super) aaaa: Cache<Ipv6Addr>,
}

impl Caches {
    /// Room for so many answers, of all types together.
    pub(super) fn new(answers_max: usize) -> Self {
        let each = answers_max / 3;
        Self { mx: Cache::new(each), a: Cache::new(each), aaaa: Cache::new(each) }
    }
}

impl<T: Clone> Cache<T> {
    fn new(answers_max: usize) -> Self {
        Self(Mutex::new(Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            young_max: (answers_max / 2).max(1),
        }))
    }

    /// What is remembered of this name, with the time it still holds.
    pub(super) fn get(&self, name: &Domain, now: Instant) -> Option<Answer<T>> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = name.ascii();
        if let Some(found) = generations.young.get(key) {
            return found.at(now);
        }
        let (key, found) = generations.old.remove_entry(key)?;
        let answer = found.at(now)?;
        generations.put(key, found);
        Some(answer)
    }

    /// Remembers an answer for so long.
    pub(super) fn put(&self, name: &Domain, answer: Answer<T>, now: Instant, ttl: Duration) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.old.remove(name.ascii());
        generations.put(name.ascii().into(), Entry { answer, until: now + ttl });
    }

    /// Forgets everything: other servers may say otherwise.
    pub(super) fn clear(&self) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.clear();
        generations.old.clear();
    }
}

impl<T> Generations<T> {
    fn put(&mut self, key: Box<str>, entry: Entry<T>) {
        if self.young.len() >= self.young_max && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

impl<T: Clone> Entry<T> {
    fn at(&self, now: Instant) -> Option<Answer<T>> {
        let left = self.until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        let mut answer = self.answer.clone();
        if let Ok(records) = &mut answer {
            records.ttl = left;
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn domain(number: usize) -> Domain {
        format!("host-{number}.example").parse().unwrap()
    }

    fn answer(number: usize) -> Answer<usize> {
        let canonical = domain(number);
        Ok(Records { records: vec![number], ttl: TTL, authentic: false, canonical })
    }

    /// RFC 1034 §4.3.4, RFC 2308 §5
    #[test]
    fn an_answer_is_remembered_for_its_time_and_no_longer() {
        let cache = Cache::new(10);
        let now = Instant::now();
        cache.put(&domain(1), answer(1), now, TTL);
        let later = cache.get(&domain(1), now + TTL / 4).unwrap().unwrap();
        assert_eq!((later.records, later.ttl), (vec![1], TTL * 3 / 4));
        assert_eq!(cache.get(&domain(1), now + TTL), None);
        assert_eq!(cache.get(&domain(2), now), None);
        cache.put(&domain(2), Err(NoRecords::NxDomain), now, TTL);
        assert_eq!(cache.get(&domain(2), now), Some(Err(NoRecords::NxDomain)));
    }

    #[test]
    fn the_number_of_answers_is_bounded_and_those_asked_for_stay() {
        let cache = Cache::new(100);
        let now = Instant::now();
        for number in 0..1000 {
            cache.put(&domain(number), answer(number), now, TTL);
            assert!(cache.get(&domain(0), now).is_some(), "{number}");
            let generations = cache.0.lock().unwrap();
            assert!(generations.young.len() + generations.old.len() <= 100);
        }
        assert!(cache.get(&domain(999), now).is_some());
        assert!(cache.get(&domain(1), now).is_none());
    }

    #[test]
    fn a_newer_answer_takes_the_place_of_the_older() {
        let cache = Cache::new(4);
        let now = Instant::now();
        cache.put(&domain(1), answer(1), now, TTL);
        for number in 2..4 {
            cache.put(&domain(number), answer(number), now, TTL);
        }
        cache.put(&domain(1), Err(NoRecords::NoData), now, TTL);
        assert_eq!(cache.get(&domain(1), now), Some(Err(NoRecords::NoData)));
    }
}
