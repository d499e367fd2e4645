//! What a copy into shared memory costs by length, beside a plain one of the compiler's: `cargo bench -p mx-ring`.

use std::hint::black_box;
use std::ptr::NonNull;
use std::time::Instant;

use mx_ring::VolatileSlice;

const ROUNDS: u32 = 2_000_000;

fn nanoseconds(mut copy: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        copy();
    }
    start.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
}

fn main() {
    let mut shared = vec![0_u64; 2048];
    let mut plain = vec![0_u8; 16384];
    // SAFETY: `shared` lives until the end and is touched through the area alone.
    let slice =
        unsafe { VolatileSlice::new(NonNull::new(shared.as_mut_ptr()).unwrap().cast(), 16384) };
    let from = vec![1_u8; 16384];
    println!("bytes  shared ns  plain ns  ratio");
    for length in [4, 32, 60, 64, 128, 129, 256, 1024, 4096, 8192] {
        let source = &from[..length];
        let shared_ns = nanoseconds(|| slice.write(0, black_box(source)).unwrap());
        let plain_ns = nanoseconds(|| {
            plain[..length].copy_from_slice(black_box(source));
            black_box(&mut plain);
        });
        let ratio = shared_ns / plain_ns;
        println!("{length:5}  {shared_ns:9.1}  {plain_ns:8.1}  {ratio:5.2}");
    }
}
