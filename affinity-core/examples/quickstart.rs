//! Three members, what they like and what they do: who should work with whom, and why.
//!
//! `cargo run -p affinity-core --example quickstart`

use affinity_core::{
    Change, EdgeKey, EdgeRecord, Engine, Evidence, Matcher, NodeRecord, Query, Schema, Value,
};

const SCHEMA: &str = r#"
name = "quickstart"
[kinds.Member]
label = "name"
attributes = { name = "text", skills = "tags" }
[kinds.Trend]
[relations.LIKES]
from = "Member"
to = "Trend"
weighted = true
"#;

const PARTNERS: &str = r#"
name = "partners"
from = "Member"
to = "Member"
candidates = [{ signal = "taste", cap = 100 }]
[[signals]]
name = "taste"
phrase = "you both like {names}"
weight = 0.7
half = 1.0
shared = { relation = "LIKES", formula = "count" }
[[signals]]
name = "skills"
phrase = "both can {names}"
weight = 0.3
overlap = { attribute = "skills" }
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::from_toml(SCHEMA)?;
    let partners = Matcher::from_toml(PARTNERS, "partners.toml", &schema)?;
    let engine = Engine::builder(schema).matcher(partners).apply(world())?.build()?;
    let answer = engine.recommend(&Query::new("partners", "ann").limit(5))?;
    for found in &answer.matches {
        println!("{:.4}  {}", found.score, found.sentence);
        for part in &found.contributions {
            println!("        {:.4} = {} x {}  {}", part.contribution, part.weight, part.value, part.label);
            for evidence in &part.evidence {
                if let Evidence::Path { path, .. } = evidence {
                    let names: Vec<&str> = path.iter().map(|node| node.name.as_str()).collect();
                    println!("               {}", names.join(" > "));
                }
            }
        }
    }
    Ok(())
}

fn world() -> Vec<Change> {
    let members: [(&str, &[&str], &[&str]); 3] = [
        ("Ann", &["film", "sing"], &["jazz", "slow food"]),
        ("Bob", &["film", "cook"], &["jazz", "slow food"]),
        ("Eve", &["sing"], &["jazz"]),
    ];
    let mut changes = Vec::new();
    for trend in ["jazz", "slow food"] {
        changes.push(Change::PutNode {
            kind: "Trend".into(),
            key: trend.into(),
            record: NodeRecord::default(),
        });
    }
    for (name, skills, likes) in members {
        let skills = skills.iter().map(ToString::to_string).collect();
        let attributes =
            [("name", Value::Text(name.into())), ("skills", Value::Tags(skills))].map(|(n, v)| (n.into(), v));
        let (key, record) =
            (name.to_lowercase(), NodeRecord { attributes: attributes.into(), ..NodeRecord::default() });
        changes.push(Change::PutNode { kind: "Member".into(), key: key.as_str().into(), record });
        for trend in likes {
            let (source, target) = (key.as_str().into(), (*trend).into());
            let edge = EdgeKey { relation: "LIKES".into(), source, target, origin: None };
            changes
                .push(Change::PutEdge { edge, record: EdgeRecord { weight: 0.9, ..EdgeRecord::default() } });
        }
    }
    changes
}
