//! The starting policies at work: a house with servers for mail, files, calendar, payments, chat, travel, web and memory, all of it
//! through the whole pipeline. What text planted there asks for is held or denied, what the user asked for passes, and what
//! ordinary work costs in approvals is a table that is held word for word.

mod agent;
mod house;
mod ordinary;
mod planted;
mod search;
mod servers;
