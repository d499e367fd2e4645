//! Atomic operations on another process's memory: a request that has the values, and an answer, which has those that were
//! there where they are wanted.

use open_mx::{Address, Memory};

use super::operation::Kind;
use super::remote::Question;
use super::request::{Asked, Request};
use super::state::{Endpoint, State};
use crate::abi::atomic::CountVector;
use crate::abi::completion::Pointer;
use crate::abi::flags::{ATOMIC, INJECT, READ, REMOTE_READ, REMOTE_WRITE, WRITE, code};
use crate::abi::operations::IoVector;
use crate::atomic::{Atomic, Form, Operation};
use crate::match_info::Remote;
use crate::memory::{INJECT_SIZE, PARTS_MAX, memory, nothing, own};

/// What an application wants to be done.
pub struct Change<'a> {
    pub atomic: Atomic,
    /// Its own values, unless the others are only read.
    pub operands: &'a [CountVector],
    /// Those to compare with.
    pub compares: &'a [CountVector],
    /// Places for those that were there.
    pub results: &'a [CountVector],
    pub peer: u64,
    pub key: u64,
    pub begin: u64,
    pub context: Pointer,
    pub flags: u64,
}

/// Values of an application as memory.
///
/// # Safety
/// As for [`memory`].
unsafe fn values(parts: &[CountVector], size: usize) -> Result<Memory, i32> {
    let mut spans = [IoVector {
        base: core::ptr::null_mut(),
        length: 0,
    }; PARTS_MAX];
    let spans = spans.get_mut(..parts.len()).ok_or(code::EINVAL)?;
    for (span, part) in spans.iter_mut().zip(parts) {
        let length = part.count.checked_mul(size).ok_or(code::EMSGSIZE)?;
        *span = IoVector {
            base: part.base,
            length,
        };
    }
    // SAFETY: promised by the caller.
    unsafe { memory(spans) }
}

/// A copy of an application's values, which are as long as that.
///
/// # Safety
/// As for [`memory`], for as long as this call.
unsafe fn copied(parts: &[CountVector], size: usize, length: usize) -> Result<Vec<u8>, i32> {
    // SAFETY: promised by the caller.
    let from = unsafe { values(parts, size) }?;
    if from.length() as usize != length {
        return Err(code::EINVAL);
    }
    let mut bytes = vec![0; length];
    from.copy_out(0, &mut bytes);
    Ok(bytes)
}

impl Endpoint {
    /// Begins an atomic operation.
    ///
    /// # Safety
    /// Its values are memory of the application, which is left alone where there are results until the operation is complete.
    pub unsafe fn change(&self, change: &Change<'_>) -> Result<(), i32> {
        let Change { atomic, .. } = *change;
        let size = atomic.datatype.size();
        let counted = match atomic.has_operand() {
            true => change.operands,
            false => change.results,
        };
        let count = counted
            .iter()
            .try_fold(0_usize, |count, part| count.checked_add(part.count));
        let length = match count {
            Some(0) => return Err(code::EINVAL),
            Some(count) if count <= atomic.count_max() => count * size,
            _ => return Err(code::EMSGSIZE),
        };
        if change.flags & INJECT != 0 && length > INJECT_SIZE {
            return Err(code::EINVAL);
        }
        let copied = |parts, has| match has {
            // SAFETY: promised by the caller.
            true => unsafe { copied(parts, size, length) },
            false => Ok(Vec::new()),
        };
        let operands = copied(change.operands, atomic.has_operand())?;
        let compares = copied(change.compares, atomic.form == Form::Compare)?;
        let (kind, flags, answer, into) = match atomic.form {
            Form::Change => (Kind::Write, WRITE, Remote::Answer, nothing()?),
            Form::Fetch | Form::Compare => {
                // SAFETY: promised by the caller.
                let results = unsafe { values(change.results, size) }?;
                (Kind::Read, READ, Remote::Payload, results)
            }
        };
        if atomic.form != Form::Change && into.length() as usize != length {
            return Err(code::EINVAL);
        }
        let question = Question {
            peer: change.peer,
            context: change.context,
            flags: change.flags,
            kind,
            kind_flags: ATOMIC | flags,
            answer,
            into,
        };
        let request = Request {
            key: change.key,
            begin: change.begin,
            length: length as u64,
            asked: Asked::Atomic {
                atomic,
                operands: &operands,
                compares: &compares,
            },
        };
        let mut state = self.state();
        self.ask(&mut state, question, &request).map(drop)
    }

    /// Somebody asks for one, whose request has these values.
    pub(super) fn perform(
        &self,
        state: &mut State,
        from: Address,
        number: u32,
        request: &Request<'_>,
        (atomic, operands, compares): (Atomic, &[u8], &[u8]),
    ) {
        let performed = self.performed(request, atomic, operands, compares);
        let told = performed.and_then(|before| match atomic.form {
            Form::Change => Ok(None),
            Form::Fetch | Form::Compare => own(before).map(Some),
        });
        let (memory, refused) = told.map_or_else(|code| (None, code), |memory| (memory, 0));
        let answer = match atomic.form {
            Form::Change => Remote::Answer,
            Form::Fetch | Form::Compare => Remote::Payload,
        };
        self.answer(state, from, answer.info(number, refused as u32), memory);
    }

    /// Does what was asked for; the values that were there.
    fn performed(
        &self,
        request: &Request<'_>,
        atomic: Atomic,
        operands: &[u8],
        compares: &[u8],
    ) -> Result<Vec<u8>, i32> {
        let access = match (atomic.form, atomic.operation) {
            (Form::Change, _) => REMOTE_WRITE,
            (_, Operation::Read) => REMOTE_READ,
            _ => REMOTE_READ | REMOTE_WRITE,
        };
        let size = atomic.datatype.size();
        let place = self
            .regions
            .locate(request.key, request.begin, request.length, access)?;
        if !place.base.addr().is_multiple_of(size) || place.length == 0 {
            return Err(code::EINVAL);
        }
        let value = |bytes: &[u8], index: usize| {
            let mut word = [0; 8];
            if let Some(value) = bytes.get(index * size..(index + 1) * size) {
                word[..size].copy_from_slice(value);
            }
            u64::from_le_bytes(word)
        };
        let mut before = Vec::with_capacity(place.length);
        for index in 0..place.length / size {
            let at = place.base.wrapping_byte_add(index * size).cast();
            // SAFETY: it is within a region that allows it and that its owner leaves there, at a multiple of its size.
            let old = unsafe { atomic.perform(at, value(operands, index), value(compares, index)) };
            before.extend_from_slice(&old.to_le_bytes()[..size]);
        }
        Ok(before)
    }
}
