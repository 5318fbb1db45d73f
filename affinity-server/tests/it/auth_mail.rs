//! Letters over SMTP, to a server that speaks as much of it as a delivery needs (RFC 5321).

use std::time::Duration;

use affinity_server::auth::{MailSettings, Mailer, deliver};
use affinity_server::config::Secret;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::cluster;

/// One client's session; gives the commands and the letter. Greylists the first recipient of each session named
/// `later@`.
async fn session(stream: TcpStream) -> (Vec<String>, String) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (mut commands, mut letter) = (Vec::new(), String::new());
    writer.write_all(b"220 test ESMTP\r\n").await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => "250 test",
            "RCPT" if line.contains("later@") => "451 try again later",
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await.unwrap();
                while let Some(line) = lines.next_line().await.unwrap().filter(|line| line != ".") {
                    letter += &(line + "\n");
                }
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        commands.push(line);
        writer.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        if answer.starts_with("221") {
            break;
        }
    }
    (commands, letter)
}

#[tokio::test]
async fn letters_go_by_smtp_and_those_not_taken_wait() {
    let pool = cluster::database("mail_smtp").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("smtp://{}", listener.local_addr().unwrap());
    sqlx::query(
        "INSERT INTO affinity.outbox (recipient, subject, body) VALUES \
         ('later@example.org', 'Later', 'x'), ('zoe@example.org', 'Grüße', E'First line\\n.\\nTöken: abc')",
    )
    .execute(&pool)
    .await
    .unwrap();
    let settings = MailSettings {
        server: Some(Secret::new(server)),
        from: MailSettings::nobody(),
        folder: "/nowhere".into(),
    };
    let delivery = tokio::spawn(deliver(pool.clone(), Mailer::new(settings).unwrap()));
    let taken = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (commands, letter) = session(stream).await;
            if !letter.is_empty() {
                return (commands, letter);
            }
        }
    };
    let (commands, letter) = tokio::time::timeout(Duration::from_secs(20), taken).await.unwrap();
    let has = |start: &str| commands.iter().any(|command| command.starts_with(start));
    assert!(has("MAIL FROM:<affinity@localhost>") && has("RCPT TO:<zoe@example.org>"), "{commands:?}");
    assert!(letter.contains("To: zoe@example.org") && letter.contains("Subject: "), "{letter}");
    assert!(letter.contains("First line\n..\n"), "a lone dot would end it: {letter}");
    let rest = "SELECT subject, attempts, last_error FROM affinity.outbox";
    let left = async {
        loop {
            let rows: Vec<(String, i32, Option<String>)> =
                sqlx::query_as(rest).fetch_all(&pool).await.unwrap();
            if rows.len() == 1 && rows[0].1 > 0 {
                return rows;
            }
        }
    };
    let left = tokio::time::timeout(Duration::from_secs(20), left).await.unwrap();
    delivery.abort();
    let [(subject, 1, Some(error))] = left.as_slice() else { panic!("{left:?}") };
    assert!(subject == "Later" && error.contains("try again later"), "{left:?}");
}
