//! What is read while it is written: windows, and records of the board page.

use loom::thread;

use super::*;

#[test]
fn a_window_is_read_whole_or_not_at_all() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (process, backend) = endpoint.sides();
        let window = |n: u16| mx_ring::Window {
            region: mx_ring::RegionKey {
                slot: n,
                generation: n,
            },
            seqnum: n as u8,
            reach: mx_ring::Reach::Whole,
            offset: n.into(),
            length: n.into(),
        };
        let binder = thread::spawn(move || {
            process.bind_window(0, &window(1));
            process.unbind_window(0);
            process.bind_window(0, &window(2));
        });
        for _ in 0..2 {
            if let Some(read) = backend.window(0)
                && read.reach != mx_ring::Reach::Nothing
            {
                assert!(read == window(1) || read == window(2), "torn: {read:?}");
            }
        }
        binder.join().unwrap();
        assert_eq!(backend.window(0), Some(window(2)));
    });
}

#[test]
fn a_window_that_moves_is_bound_all_the_time() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (process, backend) = endpoint.sides();
        let window = |n: u16| mx_ring::Window {
            region: mx_ring::RegionKey {
                slot: n,
                generation: n,
            },
            seqnum: 23,
            reach: mx_ring::Reach::Piece,
            offset: n.into(),
            length: 9,
        };
        process.bind_window(0, &window(1));
        let mover = thread::spawn(move || process.bind_window(0, &window(2)));
        let read = backend.window(0).expect("bound");
        assert_eq!((read.seqnum, read.length), (23, 9));
        if read.reach != mx_ring::Reach::Nothing {
            assert!(read == window(1) || read == window(2), "torn: {read:?}");
        }
        mover.join().unwrap();
        assert_eq!(backend.window(0), Some(window(2)));
    });
}

#[test]
fn a_record_of_the_board_page_is_read_whole() {
    explore(3, || {
        let memory = Box::new(ModelMemory::default().words([0, 4, 8]));
        // SAFETY: the writer is joined before the memory goes.
        let slice = unsafe { VolatileSlice::of_model(&memory, 64) };
        let writer = thread::spawn(move || {
            for n in 1..=2 {
                model::seqlock_write(&slice, 0, 4, &[n; 8]);
            }
        });
        let mut record = [0; 8];
        if model::seqlock_read(&slice, 0, 4, &mut record).is_some() {
            assert!(record == [record[0]; 8], "torn: {record:?}");
        }
        writer.join().unwrap();
        assert!(model::seqlock_read(&slice, 0, 4, &mut record).is_some());
        assert_eq!(record, [2; 8]);
    });
}
