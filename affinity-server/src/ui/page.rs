//! The page as markup: a pure function of its model.

use affinity_core::{Answer, Contribution, Match};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::bar::{color_class, largest_first, stacked_bar};
use super::headers::STYLE;
use super::model::{PageModel, choice_value, query_value};
use super::reason::{decimal, plain, reason};

/// The whole page. Everything that comes from data or from the request is escaped.
pub fn page(model: &PageModel) -> Markup {
    let title = match &model.answer {
        Some(answer) => format!("Matches for {} \u{00b7} Affinity", answer.header.source.name),
        None => "Affinity".to_owned(),
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.top {
                    a.brand href="/" { "Affinity" }
                    p.claim { "Matches, and why." }
                }
                (search_form(model))
                main {
                    @if let Some(problem) = &model.problem {
                        section.problem role="alert" {
                            h2 { "That did not work" }
                            p { (problem.detail()) }
                        }
                    }
                    @match &model.answer {
                        Some(answer) => (answer_section(model, answer)),
                        None => (hits(model)),
                    }
                }
            }
        }
    }
}

fn search_form(model: &PageModel) -> Markup {
    let from = model.chosen().map_or_else(|| "someone".to_owned(), |matcher| matcher.from.to_lowercase());
    let chosen = choice_value(&model.platform, &model.matcher);
    html! {
        form.search action="/" method="get" role="search" {
            label.field {
                span { "Find a " (plain(&from)) " by name" }
                input type="search" name="q" value=(model.search.text) maxlength="200" autocomplete="off";
            }
            label.field {
                span { "and look for" }
                select name="for" {
                    @for platform in &model.platforms {
                        optgroup label=(platform.title) {
                            @for matcher in &platform.matchers {
                                @let value = choice_value(&platform.name, &matcher.name);
                                option value=(value) selected[value == chosen] title=(matcher.description) {
                                    (plain(&matcher.name).replace('-', " "))
                                }
                            }
                        }
                    }
                }
            }
            // Another matcher for the same node; a name goes before it.
            @if let Some(answer) = &model.answer { input type="hidden" name="id" value=(answer.header.source.id); }
            button { "Search" }
        }
    }
}

fn hits(model: &PageModel) -> Markup {
    let search = &model.search;
    html! {
        @if let Some(matcher) = model.chosen() { p.lead { (matcher.description) "." } }
        @if search.hits.is_empty() {
            @if !search.text.is_empty() && model.problem.is_none() {
                p { "Nobody is called \u{201c}" (search.text) "\u{201d}. A part of the name is enough." }
            }
        } @else {
            h2 { @if search.text.is_empty() { "Start with one of these" } @else { "Found" } }
            ul.hits {
                @for hit in &search.hits {
                    li { (node_link(model, &hit.kind, &hit.id.to_string(), &hit.name)) }
                }
            }
            @if search.is_cut { p.small { "There are more: type more of the name." } }
        }
    }
}

fn node_link(model: &PageModel, kind: &str, id: &str, name: &str) -> Markup {
    html! {
        @match model.link_to(kind, id) {
            Some(href) => a href=(href) { (name) },
            None => span { (name) },
        }
    }
}

fn answer_section(model: &PageModel, answer: &Answer) -> Markup {
    let header = &answer.header;
    html! {
        h1 { "Matches for " (header.source.name) }
        @if let Some(matcher) = model.chosen() { p.lead { (matcher.description) "." } }
        @if !answer.degraded.is_empty() {
            p.notice { "Something could not be used: " (answer.degraded.join("; ")) "." }
        }
        @if answer.matches.is_empty() {
            p { "No matches yet: nothing known about " (header.source.name) " connects to anyone this matcher may show." }
        }
        ol.matches {
            @for (place, found) in answer.matches.iter().enumerate() {
                li { (card(model, found, if place == 0 { Details::Open } else { Details::Folded })) }
            }
        }
        (small_print(answer))
    }
}

/// How a card starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Details {
    Open,
    Folded,
}

fn card(model: &PageModel, found: &Match, details: Details) -> Markup {
    html! {
        article.card {
            header {
                @if let Some(rank) = found.rank { span.rank { (rank) } }
                h2 { (node_link(model, &found.kind, &found.id.to_string(), &found.name)) }
                span.score title=(found.score) { (decimal(found.score, 3)) }
            }
            (stacked_bar(found.score, &found.contributions))
            p.sentence { (sentence_below_name(found)) }
            details open[details == Details::Open] {
                summary { "How the score adds up" }
                ul.parts {
                    @for (place, part) in largest_first(&found.contributions) { (part_line(place, part)) }
                }
            }
        }
    }
}

/// The sentence without the name that the card shows above it.
fn sentence_below_name(found: &Match) -> String {
    let reasons = found.sentence.strip_prefix(&format!("{}: ", found.name)).unwrap_or(&found.sentence);
    let mut letters = reasons.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    plain(&first.chain(letters).collect::<String>())
}

fn part_line(place: usize, part: &Contribution) -> Markup {
    html! {
        li.absent[part.absent] {
            div.sum {
                span class=(format!("swatch {}", color_class(place))) aria-hidden="true" {}
                span.label { (part.label) }
                @if part.absent {
                    span.numbers { "nothing to say" }
                } @else {
                    span.numbers title=(format!("{} \u{d7} {} = {}", part.value, part.weight, part.contribution)) {
                        (decimal(part.value, 2)) " \u{d7} " (decimal(part.weight, 2)) " = "
                        b { (decimal(part.contribution, 3)) }
                    }
                }
            }
            @if !part.evidence.is_empty() {
                ul.evidence {
                    @for evidence in &part.evidence { li { (reason(evidence)) } }
                    @if part.evidence_left_out > 0 { li.small { "and " (part.evidence_left_out) " more" } }
                }
            }
        }
    }
}

fn small_print(answer: &Answer) -> Markup {
    let header = &answer.header;
    let [platform, matcher, id] =
        [&header.platform, &header.matcher, &header.source.id.to_string()].map(|part| query_value(part));
    // Counts only fall from stage to stage, so their size puts the stages in order; all come after the candidates.
    let mut funnel: Vec<(&String, &usize)> = answer.funnel.iter().collect();
    funnel.sort_by_key(|(stage, count)| (std::cmp::Reverse(**count), stage.starts_with("after_")));
    html! {
        footer.small {
            p {
                @for (step, (stage, count)) in funnel.into_iter().enumerate() {
                    @if step > 0 { " \u{2192} " }
                    (count) " " (plain(stage))
                }
                @if answer.truncated { " \u{00b7} some candidates were left out by a cap" }
            }
            p {
                "As of " (header.as_of) " \u{00b7} matcher " code { (header.matcher_version) }
                " \u{00b7} data " code { (header.engine_version) }
                " \u{00b7} " a href=(format!("/match/{platform}/{matcher}/{id}")) { "the same answer with every digit" }
            }
        }
    }
}
