//! What stands where in a source.

use super::*;

/// Kind, trimmed text, item and test of each passage.
fn passages(source: &str) -> Vec<(Kind, &str, Option<&str>, bool)> {
    read(source).passages.iter().map(|found| (found.kind, found.text, found.item, found.test)).collect()
}

#[test]
fn a_comment_belongs_to_the_item_it_stands_above_or_in() {
    let source = "
//! head
/// above
pub(crate) const fn walk<const N: usize>(// argument
    a: [u8; N]) { if a { /* inside */ } }
// loose
use a::b;
/// of a type
struct A { /// of a field
  b: u8 }
impl A { /// of a method
  async fn go(&self) { call({ // deep
  }); } }
static S: [u8; 2] = [1, // in a table
  2];
";
    let comments = [
        ("//! head", None),
        ("/// above", Some("walk")),
        ("// argument", Some("walk")),
        ("/* inside */", Some("walk")),
        ("// loose", None),
        ("/// of a type", Some("A")),
        ("/// of a field", Some("A")),
        ("/// of a method", Some("go")),
        ("// deep", Some("go")),
        ("// in a table", Some("S")),
    ];
    assert_eq!(passages(source), comments.map(|(text, item)| (Kind::Comment, text, item, false)));
}

#[test]
fn lines_of_one_comment_are_one_passage() {
    let found = read("/// a\n    /// b\n// c\nfn f() {}\n");
    let texts: Vec<_> = found.passages.iter().map(|passage| passage.text).collect();
    assert_eq!(texts, ["/// a\n    /// b", "// c"]);
}

#[test]
fn a_test_is_known_by_its_attribute() {
    let source = "
#[cfg(not(test))] /* 1 */ fn a() {}
/* 2 */ #[test] fn b() { \"3\" }
/* 4 */ fn c() {}
#[tokio::test(flavor = current)] fn d() { /* 5 */ }
#[cfg(all(test, unix))] mod tests { /* 6 */ use x; fn e() { proptest! { /* 7 */ } } }
/* 8 */ fn f() {}
#[cfg(test)] use y;
/* 9 */ fn g() {}
";
    let tests: Vec<_> =
        passages(source).into_iter().filter(|found| found.3).map(|found| (found.1, found.2)).collect();
    let expected = [
        ("/* 2 */", Some("b")),
        ("\"3\"", Some("b")),
        ("/* 5 */", Some("d")),
        ("/* 6 */", None),
        ("/* 7 */", Some("e")),
    ];
    assert_eq!(tests, expected);
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_named() {
    assert_eq!(read("mod a;\n#[cfg(test)]\nmod trial;\nmod b;").test_modules, ["trial"]);
}

#[test]
fn brackets_that_do_not_match_do_no_harm() {
    let found = passages("}}) fn f( ] /// a\n{} fn g() { // b\n}");
    assert_eq!(found.last().map(|found| (found.1, found.2)), Some(("// b", Some("g"))));
}
