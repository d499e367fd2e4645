//! What atomic operations make of a value: of integers of up to 64 bits, and of what has as many of floating point. The
//! processor changes each of them in one go.

use core::ops::{Add, Mul};
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::SeqCst};

/// Bytes of values that one call takes at most.
pub const ATOMIC_MAX: usize = 1024;

macro_rules! numbered {
    ($(#[$of:meta])* $name:ident: $($(#[$doc:meta])* $value:ident),*) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $value),* }

        impl $name {
            /// All, each at its number of libfabric's.
            pub const ALL: &[Self] = &[$(Self::$value),*];

            /// The one of that number.
            pub fn from_number(number: u32) -> Option<Self> {
                Self::ALL.get(number as usize).copied()
            }
        }
    };
}

numbered! {
    /// What a value is.
    Datatype: Int8, Uint8, Int16, Uint16, Int32, Uint32, Int64, Uint64, Float, Double, FloatComplex
}

numbered! {
    /// What is done with it.
    Operation:
    Min, Max, Sum, Product, LogicalOr, LogicalAnd, BitOr, BitAnd, LogicalXor, BitXor, Read, Write,
    /// The value is exchanged where it equals another one; those below where it compares otherwise.
    Swap,
    SwapNotEqual, SwapLessEqual, SwapLess, SwapGreaterEqual, SwapGreater,
    /// Bits of it are exchanged.
    SwapMasked
}

numbered! {
    /// What besides the values themselves an operation takes and gives.
    Form:
    Change,
    /// The values that were there are told.
    Fetch,
    /// And there are others to compare them with.
    Compare
}

/// An operation that there is for its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atomic {
    pub form: Form,
    pub operation: Operation,
    pub datatype: Datatype,
}

impl Datatype {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Int32 | Self::Uint32 | Self::Float => 4,
            Self::Int64 | Self::Uint64 | Self::Double | Self::FloatComplex => 8,
        }
    }
}

impl Atomic {
    /// The operation of these numbers of libfabric's, if there is one.
    pub fn new(form: Form, operation: u32, datatype: u32) -> Option<Self> {
        let operation = Operation::from_number(operation)?;
        let datatype = Datatype::from_number(datatype)?;
        let of_form = match form {
            Form::Change => operation <= Operation::BitXor || operation == Operation::Write,
            Form::Fetch => operation <= Operation::Write,
            Form::Compare => operation >= Operation::Swap,
        };
        use Operation::*;
        let of_type = match operation {
            BitOr | BitAnd | BitXor | SwapMasked => datatype <= Datatype::Uint64,
            Min | Max | SwapLessEqual | SwapLess | SwapGreaterEqual | SwapGreater => {
                datatype <= Datatype::Double
            }
            _ => true,
        };
        (of_form && of_type).then_some(Self {
            form,
            operation,
            datatype,
        })
    }

    /// How many values one call takes at most.
    pub fn count_max(self) -> usize {
        ATOMIC_MAX / self.datatype.size()
    }

    /// Whether it reads values of its caller's.
    pub fn has_operand(self) -> bool {
        self.operation != Operation::Read
    }

    /// What becomes of a value; nothing where it is only read. The bits of smaller ones stand at the lower end.
    fn next(self, old: u64, operand: u64, compare: u64) -> Option<u64> {
        let values = (self.operation, old, operand, compare);
        Some(match self.operation {
            Operation::Read => return None,
            Operation::Write => operand,
            Operation::BitOr => old | operand,
            Operation::BitAnd => old & operand,
            Operation::BitXor => old ^ operand,
            Operation::SwapMasked => operand & compare | old & !compare,
            _ => match self.datatype {
                Datatype::Int8 => next::<i8>(values),
                Datatype::Uint8 => next::<u8>(values),
                Datatype::Int16 => next::<i16>(values),
                Datatype::Uint16 => next::<u16>(values),
                Datatype::Int32 => next::<i32>(values),
                Datatype::Uint32 => next::<u32>(values),
                Datatype::Int64 => next::<i64>(values),
                Datatype::Uint64 => next::<u64>(values),
                Datatype::Float => next::<f32>(values),
                Datatype::Double => next::<f64>(values),
                Datatype::FloatComplex => next::<Complex>(values),
            },
        })
    }

    /// Does it with one value, of the bits of others; what it was.
    ///
    /// # Safety
    /// A value of the datatype is there, at a multiple of its size, that may be read, and written unless it is only read.
    pub unsafe fn perform(self, at: *mut u8, operand: u64, compare: u64) -> u64 {
        macro_rules! perform {
            ($atomic:ty, $bits:ty) => {{
                // SAFETY: promised by the caller.
                let value = unsafe { <$atomic>::from_ptr(at.cast()) };
                let next = |old: $bits| {
                    let next = self.next(u64::from(old), operand, compare);
                    next.map(|bits| bits as $bits)
                };
                let (Ok(old) | Err(old)) = value.fetch_update(SeqCst, SeqCst, next);
                u64::from(old)
            }};
        }
        match self.datatype.size() {
            1 => perform!(AtomicU8, u8),
            2 => perform!(AtomicU16, u16),
            4 => perform!(AtomicU32, u32),
            _ => perform!(AtomicU64, u64),
        }
    }
}

/// What operations need of values.
trait Value: Copy + PartialOrd {
    /// Of its bits.
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
    /// 1 or 0.
    fn truth(is: bool) -> Self;
    fn sum(self, other: Self) -> Self;
    fn product(self, other: Self) -> Self;
}

fn next<T: Value>((operation, old, operand, compare): (Operation, u64, u64, u64)) -> u64 {
    let [old, operand, compare] = [old, operand, compare].map(T::of);
    let given = |given: bool| if given { operand } else { old };
    let [is, operand_is] = [old, operand].map(|value| value != T::truth(false));
    let next = match operation {
        Operation::Min => given(operand < old),
        Operation::Max => given(operand > old),
        Operation::Sum => old.sum(operand),
        Operation::Product => old.product(operand),
        Operation::LogicalOr => T::truth(is || operand_is),
        Operation::LogicalAnd => T::truth(is && operand_is),
        Operation::LogicalXor => T::truth(is != operand_is),
        Operation::Swap => given(compare == old),
        Operation::SwapNotEqual => given(compare != old),
        Operation::SwapLessEqual => given(compare <= old),
        Operation::SwapLess => given(compare < old),
        Operation::SwapGreaterEqual => given(compare >= old),
        Operation::SwapGreater => given(compare > old),
        _ => old,
    };
    next.bits()
}

macro_rules! integers {
    ($($type:ty as $bits:ty),*) => {$(
        impl Value for $type {
            fn of(bits: u64) -> Self {
                bits as Self
            }
            fn bits(self) -> u64 {
                self as $bits as u64
            }
            fn truth(is: bool) -> Self {
                is.into()
            }
            fn sum(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn product(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
        }
    )*};
}

integers!(
    i8 as u8, u8 as u8, i16 as u16, u16 as u16, i32 as u32, u32 as u32, i64 as u64, u64 as u64
);

macro_rules! floats {
    ($($type:ty as $bits:ty),*) => {$(
        impl Value for $type {
            fn of(bits: u64) -> Self {
                Self::from_bits(bits as $bits)
            }
            fn bits(self) -> u64 {
                self.to_bits().into()
            }
            fn truth(is: bool) -> Self {
                is.into()
            }
            fn sum(self, other: Self) -> Self {
                self + other
            }
            fn product(self, other: Self) -> Self {
                self * other
            }
        }
    )*};
}

floats!(f32 as u32, f64 as u64);

/// Two numbers, the real one first.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Complex(f32, f32);

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let real = self.0 * other.0 - self.1 * other.1;
        Self(real, self.0 * other.1 + self.1 * other.0)
    }
}

impl Value for Complex {
    fn of(bits: u64) -> Self {
        Self(f32::of(bits), f32::of(bits >> 32))
    }
    fn bits(self) -> u64 {
        self.0.bits() | self.1.bits() << 32
    }
    fn truth(is: bool) -> Self {
        Self(f32::truth(is), 0.0)
    }
    fn sum(self, other: Self) -> Self {
        self + other
    }
    fn product(self, other: Self) -> Self {
        self * other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Datatype::*;
    use Operation::*;

    fn next(operation: Operation, datatype: Datatype, values: [u64; 3]) -> u64 {
        let form = if operation < Swap {
            Form::Change
        } else {
            Form::Compare
        };
        let atomic = Atomic::new(form, operation as u32, datatype as u32).unwrap();
        atomic.next(values[0], values[1], values[2]).unwrap()
    }

    #[test]
    fn values_are_compared_and_counted_with_as_their_type_says() {
        assert_eq!(next(Min, Int8, [1, 0xff, 0]), 0xff);
        assert_eq!(next(Min, Uint8, [1, 0xff, 0]), 1);
        assert_eq!(next(Max, Int16, [0x8000, 0x7fff, 0]), 0x7fff);
        assert_eq!(next(Sum, Uint8, [0xff, 2, 0]), 1);
        assert_eq!(next(Product, Int32, [0xffff_ffff, 3, 0]), 0xffff_fffd);
        assert_eq!(next(Sum, Int64, [u64::MAX, 1, 0]), 0);
        assert_eq!(next(LogicalOr, Int8, [0, 0x80, 0]), 1);
        assert_eq!(next(LogicalAnd, Uint16, [4, 2, 0]), 1);
        assert_eq!(next(LogicalXor, Uint32, [4, 2, 0]), 0);
        assert_eq!(next(BitXor, Uint64, [6, 3, 0]), 5);
        assert_eq!(next(SwapMasked, Uint16, [0x1234, 0xabcd, 0xff00]), 0xab34);
        let float = |value: f32| u64::from(value.to_bits());
        assert_eq!(next(Sum, Float, [float(1.5), float(-4.0), 0]), float(-2.5));
        assert_eq!(next(Min, Float, [float(1.0), float(-1.0), 0]), float(-1.0));
        assert_eq!(
            next(LogicalOr, Float, [float(-0.0), float(0.5), 0]),
            float(1.0)
        );
        let double = f64::to_bits;
        assert_eq!(
            next(Product, Double, [double(3.0), double(0.5), 0]),
            double(1.5)
        );
        let zero = [double(0.0), double(7.0), double(-0.0)];
        assert_eq!(next(Swap, Double, zero), double(7.0));
        let complex = |real, imaginary| float(real) | float(imaginary) << 32;
        let values = [complex(1.0, 2.0), complex(3.0, -1.0), 0];
        assert_eq!(next(Product, FloatComplex, values), complex(5.0, 5.0));
    }

    #[test]
    fn a_value_is_exchanged_where_the_other_compares_so() {
        for (operation, less, equal, greater) in [
            (Swap, false, true, false),
            (SwapNotEqual, true, false, true),
            (SwapLessEqual, true, true, false),
            (SwapLess, true, false, false),
            (SwapGreaterEqual, false, true, true),
            (SwapGreater, false, false, true),
        ] {
            // What is compared with stands to the left: -2 is less than -1.
            for (compare, swaps) in [(0xfe, less), (0xff, equal), (0, greater)] {
                let next = next(operation, Int8, [0xff, 9, compare]);
                assert_eq!(next, if swaps { 9 } else { 0xff }, "{operation:?}");
            }
        }
    }

    #[test]
    fn there_are_only_operations_that_their_form_and_their_type_have() {
        let all = |form| {
            let of_type = |datatype: &Datatype| {
                let is = |operation: &&Operation| {
                    Atomic::new(form, **operation as u32, *datatype as u32).is_some()
                };
                Operation::ALL.iter().filter(is).count()
            };
            [Uint64, Double, FloatComplex].map(|datatype| of_type(&datatype))
        };
        assert_eq!(all(Form::Change), [11, 8, 6]);
        assert_eq!(all(Form::Fetch), [12, 9, 7]);
        assert_eq!(all(Form::Compare), [7, 6, 2]);
        assert_eq!(Atomic::new(Form::Fetch, 0, 11), None);
        assert_eq!(Atomic::new(Form::Compare, 19, 0), None);
        assert_eq!(Atomic::new(Form::Fetch, u32::MAX, u32::MAX), None);
    }

    #[test]
    fn nothing_but_the_value_is_written_and_what_is_read_is_not() {
        for &datatype in Datatype::ALL {
            let size = datatype.size();
            let mut words = [u64::MAX; 3];
            let at = words.as_mut_ptr().wrapping_add(1).cast::<u8>();
            let old = u64::MAX >> (64 - 8 * size);
            for (operation, expected) in [(Write, old), (Read, 0)] {
                let atomic = Atomic::new(Form::Fetch, operation as u32, datatype as u32).unwrap();
                // SAFETY: it is in the middle of three words.
                assert_eq!(unsafe { atomic.perform(at, 0, 0) }, expected);
            }
            let expected = if size == 8 { 0 } else { u64::MAX << (8 * size) };
            assert_eq!(words, [u64::MAX, expected, u64::MAX]);
        }
        let constant = 7_u64;
        let atomic = Atomic::new(Form::Fetch, Read as u32, Uint64 as u32).unwrap();
        let at = (&raw const constant).cast_mut().cast();
        // SAFETY: it is only read.
        assert_eq!(unsafe { atomic.perform(at, 1, 1) }, 7);
    }
}
