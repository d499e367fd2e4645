//! The management over a fake link, in virtual time.

mod bounds;
mod capture;
mod dhcp;
mod domain;
mod hostile;
mod link;
mod rates;
mod reading;
