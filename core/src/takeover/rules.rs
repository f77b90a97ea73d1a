//! The rules of ownership by name, so that the model test can leave out one at a time and see what breaks.

/// One rule of docs/protocol.md, "Order of actions".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// 1: at end-of-file a successor swaps with the epoch it was told and with no other.
    ToldEpoch,
    /// 1: a successor claims only with complete listeners in hand.
    CompleteListeners,
    /// 2: an attempt is called off by a swap, at any phase.
    AbortBySwap,
    /// 2: the link is closed after the swap, not before.
    SwapBeforeClose,
    /// 2: from DRAINING to the outcome nobody is welcomed.
    DoubtWelcomesNobody,
    /// 3: a successor is dead if its pidfd says so, not at end-of-file.
    DeathByPidfd,
    /// 3: a predecessor resumes only what its own successor owns.
    ResumeFromSuccessor,
    /// 4: who is relieved says so to its own predecessor.
    PassRelief,
    /// 5: whose attempt is lost closes listeners and takeover socket at once.
    LoserLetsGo,
    /// 5: whose attempt is lost still adopts what was offered to it.
    LoserAdopts,
    /// 6: a slot is used once.
    SlotOnce,
    /// 6: the predecessor uses a connection again only after its own swap won, or REFUSED read.
    TakeBackBySwap,
    /// 7: the successor uses a connection only after its own swap won.
    AdoptBySwap,
    /// 7: nothing is refused to a dead predecessor.
    RefuseOnlyTheLiving,
    /// 8: who leaves reads its link to the end and answers every offer first.
    ReadBeforeLeaving,
    /// 8: a predecessor exits only when no word says OFFERED.
    NoOfferLeftBehind,
    /// 9: ECONNRESET is not the end of the link.
    ReadPastReset,
    /// 11: whoever holds a listener accepts from it when nobody else does.
    ShareWhenHung,
}

/// Which rules hold: all of them, but for the one that a test leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Rules {
    #[cfg(any(test, fuzzing))]
    pub(crate) without: Option<Rule>,
}

impl Rules {
    /// Whether `rule` holds. Always, outside the model test.
    #[inline]
    pub(crate) fn hold(self, rule: Rule) -> bool {
        #[cfg(any(test, fuzzing))]
        {
            self.without != Some(rule)
        }
        #[cfg(not(any(test, fuzzing)))]
        {
            let _ = rule;
            true
        }
    }
}
