//! A report as one HTML file that needs nothing else.

use super::content::{Report, Section, Table};
use super::markup::escaped;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#1f2933;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem}p{margin:.4rem 0}.note{color:#52606d}\
svg{max-width:100%;height:auto}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px}\
th,td{padding:.3rem .6rem;border-bottom:1px solid #e4e7eb;text-align:left;white-space:nowrap}";

impl Report {
    /// HTML with its pictures inside; every name in it is escaped.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escaped(&self.title);
        let facts: String = self.facts.iter().map(|fact| format!("<p>{}</p>\n", escaped(fact))).collect();
        let sections: String = self.sections.iter().map(section).collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{facts}{sections}</body>\n</html>\n"
        )
    }
}

fn section(section: &Section) -> String {
    let (title, note, body) = match section {
        Section::Bars(bars) => (&bars.title, &bars.note, bars.to_svg()),
        Section::Curve(curve) => (&curve.title, &curve.note, curve.to_svg()),
        Section::Table(table) => (&table.title, &table.note, rows(table)),
    };
    let (title, note) = (escaped(title), escaped(note));
    let note = if note.is_empty() { note } else { format!("<p class=\"note\">{note}</p>\n") };
    format!("<h2>{title}</h2>\n{note}{body}")
}

fn rows(table: &Table) -> String {
    let head: String = table.columns.iter().map(|name| format!("<th>{}</th>", escaped(name))).collect();
    let row = |row: &Vec<super::Cell>| {
        let cells: String = row.iter().map(|cell| format!("<td>{}</td>", escaped(&cell.text()))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = table.rows.iter().map(row).collect();
    format!("<div class=\"wide\"><table>\n<tr>{head}</tr>\n{body}</table></div>\n")
}

#[cfg(test)]
mod tests {
    use crate::evaluation::report::{Bar, Bars, Cell, Report, Section, Table};
    use crate::evaluation::{BootstrapParams, Comparison, Forecast, Interval, reliability};

    fn report() -> Report {
        let mut comparison = Comparison::new(5, ["<i>matcher</i>", "popularity"], [("a\"b", 3), ("c", 1)]);
        for _ in 0..4 {
            comparison.add(&["tier: <gold>"], &["c"].into(), &[&["c", "a\"b"], &["a\"b", "c"]]);
        }
        let mut sections = comparison.summarize(&BootstrapParams::STANDARD).sections();
        let forecasts = [(0, 0.2, 0.0), (1, 0.8, 1.0)].map(|(query, probability, outcome)| Forecast {
            query,
            probability,
            outcome,
        });
        sections
            .push(reliability(&forecasts, 5, &BootstrapParams::STANDARD).section("Probabilities & outcomes"));
        Report { title: "A <script>".into(), facts: vec!["1 < 2".into()], sections }
    }

    #[test]
    fn names_are_text_and_nothing_comes_from_elsewhere() {
        let html = report().to_html();
        for wrong in ["<script", "<i>", "<gold>", "<link", "src=", "href=", "@import", "url("] {
            assert!(!html.contains(wrong), "{wrong}");
        }
        for right in
            ["A &lt;script&gt;", "&lt;i&gt;matcher", "tier: &lt;gold&gt;", "1 &lt; 2", "<circle", "<rect"]
        {
            assert!(html.contains(right), "{right}");
        }
        // The one address is the name of SVG's language, which nothing fetches.
        assert_eq!(html.matches("http").count(), html.matches("http://www.w3.org/2000/svg").count());
    }

    #[test]
    fn json_and_markdown_say_the_same() {
        let report = report();
        let json = serde_json::to_value(&report).expect("plain data");
        assert_eq!(json["sections"][0]["kind"], "bars");
        assert_eq!(json["sections"][0]["bars"][0]["value"]["estimate"], 1.0);
        let markdown = report.to_markdown();
        assert!(markdown.starts_with("# A &lt;script>\n"), "{markdown}");
        assert!(markdown.contains("1.000"), "{markdown}");
    }

    #[test]
    fn markdown_tables_keep_their_columns() {
        let table = Table {
            title: "t".into(),
            note: String::new(),
            columns: vec!["a|b".into(), "n".into()],
            rows: vec![vec![Cell::Text("x\ny".into()), Cell::Count(3)]],
        };
        let markdown =
            Report { title: "r".into(), facts: vec![], sections: vec![Section::Table(table)] }.to_markdown();
        assert!(markdown.contains("| a\\|b | n |\n| --- | --- |\n| x y | 3 |\n"), "{markdown}");
    }

    #[test]
    fn bars_below_zero_and_without_a_number_stay_in_the_picture() {
        let bar = |estimate: f64, low, high| Bar {
            label: "a very long label that does not fit in front of a bar".into(),
            value: Interval { estimate, low, high },
            reference: Some(0.5),
        };
        let bars = vec![bar(-0.2, -0.4, 0.1), bar(f64::NAN, f64::NAN, f64::NAN), bar(1.0, 0.9, 1.0)];
        let svg = Bars { title: "lead".into(), note: String::new(), bars }.to_svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        // -0.4 to 1 lies between 220 and 540, so 0 lies at 311.4, where the negative bar ends.
        assert!(svg.contains(r#"<rect x="265.7" y="8.0" width="45.7""#), "{svg}");
    }
}
