//! Numbers as bytes: LEB128, as in DWARF and WebAssembly; and a [`Cursor`] that reads them.

use core::time::Duration;

/// Bytes that cannot be what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// They end too early.
    Cut,
    /// They mean nothing.
    Wrong(&'static str),
}

pub(crate) fn put_int(out: &mut Vec<u8>, mut int: u64) {
    while int >= 0x80 {
        out.push(int.to_le_bytes()[0] | 0x80);
        int >>= 7;
    }
    out.push(int.to_le_bytes()[0]);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, int: i64) {
    put_int(out, (int as u64) << 1 ^ (int >> 63) as u64);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    put_int(out, duration.as_secs());
    put_int(out, duration.subsec_nanos().into());
}

/// 0 for `None`, else `put` behind a 1.
pub(crate) fn put_option<T>(out: &mut Vec<u8>, option: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(option.is_some().into());
    if let Some(value) = option {
        put(out, value);
    }
}

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'f>(pub(crate) &'f [u8]);

impl<'f> Cursor<'f> {
    pub(crate) fn byte(&mut self) -> Result<u8, Bad> {
        let (&byte, rest) = self.0.split_first().ok_or(Bad::Cut)?;
        self.0 = rest;
        Ok(byte)
    }

    pub(crate) fn int(&mut self) -> Result<u64, Bad> {
        let mut int = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                break;
            }
            int |= bits << shift;
            if byte & 0x80 == 0 {
                // One number has one form, or what is replayed could not be compared with what stands here.
                return if byte == 0 && shift > 0 {
                    Err(Bad::Wrong("number with zeros in front"))
                } else {
                    Ok(int)
                };
            }
        }
        Err(Bad::Wrong("number beyond 64 bits"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Bad> {
        let int = self.int()?;
        Ok((int >> 1) as i64 ^ -((int & 1) as i64))
    }

    pub(crate) fn size(&mut self) -> Result<usize, Bad> {
        usize::try_from(self.int()?).map_err(|_| Bad::Wrong("size beyond this machine's"))
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'f [u8], Bad> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Bad::Cut)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'f [u8], Bad> {
        let len = self.size()?;
        self.take(len)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Bad> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Bad::Wrong("neither yes nor no")),
        }
    }

    pub(crate) fn duration(&mut self) -> Result<Duration, Bad> {
        let secs = self.int()?;
        let nanos = u32::try_from(self.int()?).ok().filter(|nanos| *nanos < 1_000_000_000);
        nanos.map(|nanos| Duration::new(secs, nanos)).ok_or(Bad::Wrong("second of more than a second"))
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Bad>,
    ) -> Result<Option<T>, Bad> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }
}
