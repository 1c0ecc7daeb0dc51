use super::*;
use proptest::prelude::*;

fn reverse_path(argument: &str) -> Result<String, CommandError> {
    match parse(format!("MAIL FROM:{argument}").as_bytes())? {
        Command::Mail(mail) => Ok(mail.reverse_path.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_are_understood_as_people_type_them() {
    for (typed, path) in [
        ("<a@b.example>", "a@b.example"),
        (" <a@b.example>", "a@b.example"),
        ("  a@b.example", "a@b.example"),
        ("a@b.example ", "a@b.example"),
        (" Me <a@b.example>", "a@b.example"),
        (" Dr. J. \"Jo\" Doe <a@b.example> SIZE=9", "a@b.example"),
        ("<>", ""),
        ("< a@b.example >", "a@b.example"),
        ("<@relay.example:a@b.example>", "a@b.example"),
        ("<\"a>b\"@b.example>", "\"a>b\"@b.example"),
        ("<\"a\\\">b\"@b.example>", "\"a\\\">b\"@b.example"),
    ] {
        assert_eq!(reverse_path(typed).as_deref(), Ok(path), "{typed:?}");
    }
}

#[test]
fn what_may_mean_two_things_is_refused() {
    for ambiguous in [
        "",
        " ",
        "a@b c@d",
        "a@b SIZE=9",
        "a@b <c@d>",
        "Me <a@b> <c@d>",
        "Me <<a@b>>",
        "<a@b",
        "a@b>",
        "<a@b>SIZE=9",
        "<\"a@b>",
        "Me <a@b>>",
        "Me: <a@b>",
    ] {
        assert_eq!(
            reverse_path(ambiguous),
            Err(CommandError::ReversePath(PathError::Ambiguous)),
            "{ambiguous:?}"
        );
    }
    assert!(matches!(reverse_path("<a@b,c@d>"), Err(CommandError::ReversePath(PathError::Address(_)))));
    assert!(matches!(reverse_path("<a@b><c@d>"), Err(CommandError::ReversePath(PathError::Ambiguous))));
    assert!(matches!(reverse_path("<a@b> <c@d>"), Err(CommandError::UnknownParameter(_))));
    assert_eq!(reverse_path("<jörg@b>"), Err(CommandError::ReversePath(PathError::NotAscii)));
}

#[test]
fn parameters_are_known_given_once_and_well_formed() {
    let mail = |parameters: &str| parse(format!("mail from:<a@b> {parameters}").as_bytes());
    let Ok(Command::Mail(both)) = mail("size=1000 body=8bitmime") else { panic!() };
    assert_eq!((both.size, both.body), (Some(1000), Some(Body::EightBitMime)));
    for bad in
        ["SIZE=1 SIZE=1", "SIZE=", "SIZE", "SIZE=-1", "SIZE=+1", "SIZE=99999999999999999999", "BODY=BINARY"]
    {
        assert!(matches!(mail(bad), Err(CommandError::BadParameter(_))), "{bad}");
    }
    assert_eq!(mail("RET=FULL"), Err(CommandError::UnknownParameter("RET".into())));
    assert_eq!(parse(b"RCPT TO:<a@b> NOTIFY=NEVER"), Err(CommandError::UnknownParameter("NOTIFY".into())));
}

#[test]
fn a_helo_may_come_without_a_name_and_an_ehlo_may_not() {
    assert_eq!(parse(b"HELO"), Ok(Command::Helo(HeloName::none())));
    assert!(matches!(parse(b"EHLO"), Err(CommandError::Usage(_))));
    assert!(matches!(parse(b"EHLO two words"), Err(CommandError::Usage(_))));
}

#[test]
fn verbs_of_others_are_told_apart_from_noise() {
    assert_eq!(parse(b"STARTTLS"), Err(CommandError::NotOffered("STARTTLS")));
    assert_eq!(parse(b"GET / HTTP/1.1"), Err(CommandError::ForeignProtocol));
    for noise in [&b""[..], b" ", b"HELOX a", b"MAILFROM:<a@b>", b"\xff\xfe", b"12"] {
        assert_eq!(parse(noise), Err(CommandError::Unknown), "{noise:?}");
    }
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.+]{1,12}@[a-z]{1,8}\\.example",
        "\"[ -!#-\\[\\]-~]{1,10}\"@\\[192\\.0\\.2\\.[1-9]\\]"
    ]
    .prop_filter("an address", |text| text.parse::<ForwardPath>().is_ok())
}

fn any_command() -> impl Strategy<Value = Command> {
    let name = "[a-zA-Z0-9.-]{1,20}".prop_map(|name| name.parse::<HeloName>().unwrap());
    let text = "[a-zA-Z0-9@.]{1,20}".prop_map(|text| Text::clean(&text));
    let body = prop_oneof![Just(None), Just(Some(Body::SevenBit)), Just(Some(Body::EightBitMime))];
    let mail =
        (proptest::option::of(any_path()), any::<Option<u64>>(), body).prop_map(|(path, size, body)| {
            Command::Mail(MailFrom { size, body, ..MailFrom::new(path.unwrap_or_default().parse().unwrap()) })
        });
    prop_oneof![
        name.clone().prop_map(Command::Helo),
        name.clone().prop_map(Command::Ehlo),
        name.prop_map(Command::Lhlo),
        mail,
        any_path().prop_map(|path| Command::Rcpt(RcptTo::new(path.parse().unwrap()))),
        Just(Command::Rcpt(RcptTo::new(ForwardPath::Postmaster))),
        Just(Command::Data),
        Just(Command::Rset),
        Just(Command::Noop),
        Just(Command::Quit),
        Just(Command::Helo(HeloName::none())),
        text.clone().prop_map(Command::Vrfy),
        text.clone().prop_map(Command::Expn),
        proptest::option::of(text).prop_map(Command::Help),
    ]
}

proptest! {
    #[test]
    fn parse_and_print_are_inverse(command in any_command()) {
        prop_assert_eq!(parse(command.to_string().as_bytes()).unwrap(), command);
    }

    #[test]
    fn any_line_is_a_command_or_a_reason(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(command) = parse(&line) {
            prop_assert!(!command.to_string().contains(['\r', '\n', '\0']));
        }
    }

    #[test]
    fn any_argument_of_mail_is_one_path_or_a_reason(argument in "[ -~]{0,60}|[a@<>\" \\\\.:=S]{0,20}") {
        if let Ok(Command::Mail(mail)) = parse(format!("MAIL FROM:{argument}").as_bytes()) {
            prop_assert_eq!(parse(mail.to_string().as_bytes()).unwrap(), Command::Mail(mail));
        }
    }
}
