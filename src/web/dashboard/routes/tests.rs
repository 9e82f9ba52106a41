use super::super::tests::{HOSTILE, is_clean};
use super::*;
use crate::cli::testing::{NOW, route};
use crate::observer::Match;
use crate::web::params::Params;

fn query(pairs: &[(&str, &str)]) -> Query {
    Query::new(Params::of(
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    ))
}

#[test]
fn a_search_means_what_it_says() {
    let asked = read(&query(&[("prefix", "10.244.0.7")])).unwrap();
    assert_eq!((asked.prefix, asked.matching), ("10.244.0.7/32".parse().ok(), Match::Covering));
    let asked = read(&query(&[("prefix", "fd00::1"), ("match", "longer")])).unwrap();
    assert_eq!((asked.prefix, asked.matching), ("fd00::1/128".parse().ok(), Match::Longer));
    let asked = read(&query(&[("prefix", "10.244.0.0/16"), ("match", "exact")])).unwrap();
    assert_eq!(asked.matching, Match::Exact);
    let asked = read(&query(&[("match", "longer"), ("node", "a")])).unwrap();
    assert_eq!((asked.prefix, asked.limit), (None, 25));
    for wrong in [("prefix", "x"), ("class", "x"), ("reason", "x"), ("cursor", "x"), ("x", "y")] {
        assert!(read(&query(&[wrong])).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_form_keeps_what_was_asked() {
    let drawn =
        form(&query(&[("prefix", "10.0.0.0/8"), ("match", "longer"), ("reason", "as_set")])).into_string();
    assert!(
        drawn.contains("value=\"10.0.0.0/8\"") && drawn.contains("<option selected>longer</option>"),
        "{drawn}"
    );
    assert!(drawn.contains("data-key=\"routes-more\" open>"), "what is asked for is not folded");
}

#[test]
fn a_page_says_how_to_go_on_and_where_else_it_is() {
    let page = Page {
        items: vec![route("10.244.0.0/26"); 25],
        next_cursor: Some("10.0.0.0~8~1~0".into()),
        total: None,
    };
    let drawn = table(&page, &query(&[("node", "a b")]), 128_000, NOW).into_string();
    assert!(drawn.contains("<b>25</b> routes on this page, of 128,000 held in all"), "{drawn}");
    assert!(drawn.contains("href=\"routes?node=a%20b&amp;cursor=10.0.0.0~8~1~0\""), "{drawn}");
    assert!(
        drawn.contains("href=\"routes.csv?node=a%20b\"")
            && drawn.contains("href=\"api/v1/routes?node=a%20b\"")
    );
    assert!(drawn.len() < 25_000, "{}", drawn.len());
    let none = Page { items: vec![], next_cursor: None, total: None };
    assert!(table(&none, &Query::default(), 9, NOW).into_string().contains("No route is like that"));
}

#[test]
fn what_others_wrote_is_text() {
    for hostile in HOSTILE.map(str::to_owned).into_iter().chain(["x".repeat(10_000)]) {
        let mut wrong = route("10.244.0.0/26");
        (wrong.node, wrong.leaf) = (Some(hostile.as_str().into()), hostile.as_str().into());
        (wrong.cluster, wrong.vrf) = (hostile.as_str().into(), hostile.as_str().into());
        (wrong.as_path, wrong.eepg) = (hostile.clone(), Some(hostile.clone()));
        wrong.communities = vec![hostile.clone(); 9];
        let drawn = row(&wrong, false, NOW).into_string();
        assert!(is_clean(&drawn), "{drawn}");
    }
}
