//! What the journal has to tell about itself, until it is written: damage it found, stories it lost.

use crate::event::What;
use crate::limits::REMARKS_MAX;
use crate::story::{Story, Subject};
use postrider_mail::{Text, UnixMillis};

#[derive(Debug, Default)]
pub(crate) struct Unsaid {
    remarks: Vec<Text>,
    remarks_left_out: u64,
    lost: u64,
    lost_why: Text,
}

impl Unsaid {
    pub(crate) fn remark(&mut self, text: Text) {
        if self.remarks.len() < REMARKS_MAX {
            self.remarks.push(text);
        } else {
            self.remarks_left_out = self.remarks_left_out.saturating_add(1);
        }
    }

    pub(crate) fn lose(&mut self, stories: u64, why: Text) {
        self.lost = self.lost.saturating_add(stories);
        self.lost_why = why;
    }

    pub(crate) fn remarks(&self) -> &[Text] {
        &self.remarks
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// All of it as a story of the server; `None` when there is nothing to say.
    pub(crate) fn story(&self, now: UnixMillis) -> Option<Story> {
        if self.remarks.is_empty() && self.lost == 0 {
            return None;
        }
        let mut story = Story::new(Subject::Server, now, None);
        for remark in &self.remarks {
            story.add(now, What::Note { text: remark.clone() });
        }
        if self.remarks_left_out > 0 {
            let text = format!("{} more remarks of the journal were not kept", self.remarks_left_out);
            story.add(now, What::Note { text: text.into() });
        }
        if self.lost > 0 {
            story.add(now, What::Lost { stories: self.lost, why: self.lost_why.clone() });
        }
        Some(story)
    }

    /// Adds what came up later.
    pub(crate) fn absorb(&mut self, later: Self) {
        later.remarks.into_iter().for_each(|remark| self.remark(remark));
        self.remarks_left_out = self.remarks_left_out.saturating_add(later.remarks_left_out);
        if later.lost > 0 {
            self.lose(later.lost, later.lost_why);
        }
    }
}
