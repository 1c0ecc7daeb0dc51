use super::*;
use postrider_mail::{
    Body, EnvelopeId, ForwardPath, Hold, Notify, OriginalRecipient, Ret, ReversePath, UnixMillis,
};
use proptest::prelude::*;

fn reverse_path(argument: &str) -> Result<String, CommandError> {
    match parse(format!("MAIL FROM:{argument}").as_bytes())? {
        Command::Mail(mail) => Ok(mail.reverse_path.to_string()),
        other => panic!("{other:?}"),
    }
}

/// RFC 5321 §4.1.2
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

/// RFC 5321 §4.1.1.2, RFC 5321 §4.1.1.3
#[test]
fn parameters_are_known_given_once_and_well_formed() {
    let mail = |parameters: &str| parse(format!("mail from:<a@b> {parameters}").as_bytes());
    let Ok(Command::Mail(both)) = mail("size=1000 body=8bitmime") else { panic!() };
    assert_eq!((both.size, both.body), (Some(1000), Some(Body::EightBitMime)));
    for bad in [
        "SIZE=",
        "SIZE=1 SIZE",
        "SIZE",
        "SIZE=-1",
        "SIZE=+1",
        "SIZE=100000000000000000000",
        "BODY=BINARY",
        "SMTPUTF8=1",
        "RET=ALL",
        "ENVID=",
        "ENVID=a+b",
        "BY=0;R",
        "BY=10",
        "HOLDFOR=0",
        "HOLDUNTIL=tomorrow",
        "MT-PRIORITY=10",
        "SOLICIT=",
        "SOLICIT",
    ] {
        assert!(matches!(mail(bad), Err(CommandError::BadParameter(..))), "{bad}");
    }
    for (twice, parameter) in [
        ("SIZE=1 size=1", Parameter::Size),
        ("SIZE=1 SIZE=x", Parameter::Size),
        ("BODY=7BIT BODY=7BIT", Parameter::Body),
        ("SMTPUTF8 smtputf8", Parameter::Smtputf8),
        ("RET=FULL RET=HDRS", Parameter::Ret),
        ("ENVID=a ENVID=a", Parameter::Envid),
        ("BY=9;R BY=9;R", Parameter::By),
        ("HOLDFOR=1 HOLDUNTIL=2026-11-22T18:31:15Z", Parameter::HoldUntil),
        ("MT-PRIORITY=1 MT-PRIORITY=1", Parameter::Priority),
        ("SOLICIT=net.example:ADV SOLICIT=net.example:ADV", Parameter::Solicit),
    ] {
        assert_eq!(mail(twice), Err(CommandError::RepeatedParameter(parameter)), "{twice}");
    }
    for unknown in ["AUTH=<>", "NOTIFY=NEVER", "ORCPT=rfc822;a", "X", "=", "=1"] {
        assert!(matches!(mail(unknown), Err(CommandError::UnknownParameter(_))), "{unknown}");
    }
}

#[test]
fn rcpt_has_parameters_of_its_own() {
    let rcpt = |parameters: &str| parse(format!("RCPT TO:<a@b> {parameters}").as_bytes());
    let Ok(Command::Rcpt(both)) = rcpt("notify=success,delay ORCPT=rfc822;c+40d") else { panic!() };
    assert_eq!(both.notify, Some(Notify::SUCCESS.and(Notify::DELAY)));
    assert_eq!(both.orcpt.unwrap().to_string(), "rfc822;c@d");
    for bad in ["NOTIFY=", "NOTIFY", "NOTIFY=NEVER,DELAY", "ORCPT=a@b", "ORCPT=rfc822;+0A"] {
        assert!(matches!(rcpt(bad), Err(CommandError::BadParameter(..))), "{bad}");
    }
    let twice = rcpt("NOTIFY=NEVER NOTIFY=NEVER");
    assert_eq!(twice, Err(CommandError::RepeatedParameter(Parameter::Notify)));
    let twice = rcpt("ORCPT=rfc822;a ORCPT=rfc822;a");
    assert_eq!(twice, Err(CommandError::RepeatedParameter(Parameter::Orcpt)));
    assert!(matches!(rcpt("SIZE=1"), Err(CommandError::UnknownParameter(_))));
}

/// RFC 6531 §3.4, RFC 6531 §3.7.4.2
#[test]
fn utf8_stands_in_mail_with_smtputf8_only() {
    let mail = |text: &str| parse(format!("MAIL FROM:{text}").as_bytes());
    assert!(mail("<jörg@b> SMTPUTF8").is_ok());
    assert_eq!(mail("<jörg@b>"), Err(CommandError::ReversePath(PathError::NotAscii)));
    assert_eq!(parse(b"MAIL FROM:<j\xf6rg@b> SMTPUTF8"), Err(CommandError::ReversePath(PathError::NotUtf8)));
    assert!(parse("RCPT TO:<jörg@b> ORCPT=utf-8;jörg@b".as_bytes()).is_ok());
    assert_eq!(
        parse("VRFY jörg smtputf8".as_bytes()),
        Ok(Command::Vrfy(Sought { string: "jörg".into(), smtputf8: true }))
    );
    assert_eq!(parse("EXPN jörg".as_bytes()), Err(CommandError::NotAscii));
    assert_eq!(
        parse(b"VRFY smtputf8"),
        Ok(Command::Vrfy(Sought { string: "smtputf8".into(), smtputf8: false }))
    );
}

#[test]
fn a_chunk_is_announced_by_a_number_or_nobody_knows_what_follows() {
    let chunk = |octets, is_last| Ok(Command::Bdat(Chunk { octets, is_last }));
    assert_eq!(parse(b"BDAT 86"), chunk(86, false));
    assert_eq!(parse(b"bdat  0\tlast"), chunk(0, true));
    assert_eq!(parse(b"BDAT 18446744073709551615"), chunk(u64::MAX, false));
    for bad in ["5 NOW", "5 LAST LAST"] {
        let error = parse(format!("BDAT {bad}").as_bytes());
        assert!(matches!(error, Err(CommandError::BadChunk { octets: 5, .. })), "{bad}");
    }
    for boundless in ["LAST", "-1", "+1", "0x10", "18446744073709551616", "1.5", "5,LAST", "5LAST"] {
        let error = parse(format!("BDAT {boundless}").as_bytes());
        assert_eq!(error, Err(CommandError::Boundless), "{boundless}");
    }
    assert!(matches!(parse(b"BDAT"), Err(CommandError::Usage(_))));
}

/// RFC 1985 §5
#[test]
fn etrn_names_a_domain_what_is_below_it_or_a_queue() {
    let domain = || "local.example".parse().unwrap();
    assert_eq!(parse(b"ETRN local.example"), Ok(Command::Etrn(TurnNode::Domain(domain()))));
    assert_eq!(parse(b"ETRN @local.example"), Ok(Command::Etrn(TurnNode::Below(domain()))));
    assert_eq!(parse(b"ETRN #fast"), Ok(Command::Etrn(TurnNode::Queue("fast".into()))));
    for bad in ["", "@", "#", "a b", "@a b", "#a b", "[192.0.2.1]"] {
        assert!(matches!(parse(format!("ETRN {bad}").as_bytes()), Err(CommandError::Usage(_))), "{bad}");
    }
}

#[test]
fn a_helo_may_come_without_a_name_and_an_ehlo_may_not() {
    assert_eq!(parse(b"HELO"), Ok(Command::Helo(HeloName::none())));
    assert!(matches!(parse(b"EHLO"), Err(CommandError::Usage(_))));
    assert!(matches!(parse(b"EHLO two words"), Err(CommandError::Usage(_))));
}

/// RFC 5321 §4.1.1
#[test]
fn verbs_of_others_are_told_apart_from_noise() {
    assert_eq!(parse(b"STARTTLS"), Err(CommandError::NotOffered("STARTTLS")));
    assert_eq!(parse(b"GET / HTTP/1.1"), Err(CommandError::ForeignProtocol));
    assert_eq!(parse(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25"), Err(CommandError::ProxyHeader));
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

fn any_mail() -> impl Strategy<Value = MailFrom> {
    use proptest::option::of;
    let body = prop_oneof![Just(Body::SevenBit), Just(Body::EightBitMime), Just(Body::BinaryMime)];
    let ret = prop_oneof![Just(Ret::Full), Just(Ret::Headers)];
    let envid = "[!-*,-<>-~]{1,90}".prop_map(|text| EnvelopeId::from_xtext(&text).unwrap());
    let by = "[1-9][0-9]{0,8};[RN]T?|-[1-9][0-9]{0,8};NT?".prop_map(|text| text.parse().unwrap());
    let hold = prop_oneof![
        (1u32..999_999_999).prop_map(Hold::For),
        (0i64..4_000_000_000_000).prop_map(|millis| Hold::Until(UnixMillis::new(millis))),
    ];
    let priority = "-[1-9]|[0-9]".prop_map(|text| text.parse().unwrap());
    let solicit = "[a-z][a-z.:A-Z]{0,20}(,[a-z][a-z.]{0,20}){0,3}".prop_map(|text| text.parse().unwrap());
    let path = of(any_path()).prop_map(|path| path.unwrap_or_default().parse::<ReversePath>().unwrap());
    let asked = (of(ret), of(envid), of(by), of(hold), of(priority), of(solicit));
    (path, any::<Option<u64>>(), of(body), any::<bool>(), asked).prop_map(
        |(reverse_path, size, body, smtputf8, (ret, envid, by, hold, priority, solicit))| MailFrom {
            reverse_path,
            size,
            body,
            smtputf8,
            ret,
            envid,
            by,
            hold,
            priority,
            solicit,
        },
    )
}

fn any_rcpt() -> impl Strategy<Value = RcptTo> {
    let orcpt = prop_oneof!["rfc822;[!-*,-<>-~]{1,90}", "utf-8;[a-zäöü@.]{1,40}"];
    let orcpt = orcpt.prop_map(|text| OriginalRecipient::from_xtext(&text).unwrap());
    let notify = "NEVER|SUCCESS|FAILURE,DELAY|SUCCESS,FAILURE,DELAY".prop_map(|text| text.parse().unwrap());
    let path = prop_oneof![5 => any_path(), 1 => Just("Postmaster".to_owned())];
    (path, proptest::option::of(notify), proptest::option::of(orcpt)).prop_map(|(path, notify, orcpt)| {
        RcptTo { notify, orcpt, ..RcptTo::new(path.parse::<ForwardPath>().unwrap()) }
    })
}

fn any_command() -> impl Strategy<Value = Command> {
    let name = "[a-zA-Z0-9.-]{1,20}".prop_map(|name| name.parse::<HeloName>().unwrap());
    let text = "[a-zA-Z0-9@.äö]{1,20}".prop_map(|text| Text::clean(&text));
    let sought = (text.clone(), any::<bool>()).prop_map(|(string, asked)| {
        let smtputf8 = asked || !string.as_str().is_ascii();
        Sought { string, smtputf8 }
    });
    let told = "(NAME|HELO)=[a-z]{1,9}( ADDR=(192\\.0\\.2\\.1|IPV6:2001:db8::1))?( PORT=[1-9][0-9]{0,3})?( PROTO=E?SMTP)?";
    let told = prop_oneof![told, "(NAME|ADDR|PORT|HELO)=\\[(UNAVAILABLE|TEMPUNAVAIL)\\]"];
    prop_oneof![
        name.clone().prop_map(Command::Helo),
        name.clone().prop_map(Command::Ehlo),
        name.prop_map(Command::Lhlo),
        any_mail().prop_map(Command::Mail),
        any_rcpt().prop_map(Command::Rcpt),
        Just(Command::Data),
        (any::<u64>(), any::<bool>()).prop_map(|(octets, is_last)| Command::Bdat(Chunk { octets, is_last })),
        Just(Command::Rset),
        Just(Command::Noop),
        Just(Command::Quit),
        Just(Command::Helo(HeloName::none())),
        sought.clone().prop_map(Command::Vrfy),
        sought.prop_map(Command::Expn),
        proptest::option::of(text).prop_map(Command::Help),
        "[@]?[a-z]{1,9}|#[a-z]{1,9}".prop_map(|node| parse(format!("ETRN {node}").as_bytes()).unwrap()),
        told.prop_map(|told| parse(format!("XCLIENT {told}").as_bytes()).unwrap()),
        "IDENT=[a-z]{1,9} SOURCE=(LOCAL|REMOTE)"
            .prop_map(|told| parse(format!("XFORWARD {told}").as_bytes()).unwrap()),
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
    fn any_parameters_are_understood_or_a_reason(
        line in "(MAIL FROM|RCPT TO):<é?a@b>( (SIZE|BODY|SMTPUTF8|RET|ENVID|BY|HOLDFOR|MT-PRIORITY|SOLICIT|NOTIFY|ORCPT)(=[0-9A-Z;+,é]{0,8})?){0,4}"
    ) {
        if let Ok(command) = parse(line.as_bytes()) {
            prop_assert_eq!(parse(command.to_string().as_bytes()).unwrap(), command);
        }
    }

    #[test]
    fn any_argument_of_mail_is_one_path_or_a_reason(argument in "[ -~]{0,60}|[a@<>\" \\\\.:=S]{0,20}") {
        if let Ok(Command::Mail(mail)) = parse(format!("MAIL FROM:{argument}").as_bytes()) {
            prop_assert_eq!(parse(mail.to_string().as_bytes()).unwrap(), Command::Mail(mail));
        }
    }
}
