//! Every platform's declaration and matchers fit together.

use std::path::Path;

use affinity_core::{Matcher, Schema};

#[test]
fn matchers_of_every_platform_fit_its_schema() {
    let platforms = Path::new(env!("CARGO_MANIFEST_DIR")).join("../platforms");
    let mut matcher_count = 0;
    for platform in std::fs::read_dir(platforms).unwrap() {
        let folder = platform.unwrap().path();
        let schema =
            Schema::from_toml(&std::fs::read_to_string(folder.join("platform.toml")).unwrap()).unwrap();
        for file in std::fs::read_dir(folder.join("matchers")).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let matcher = Matcher::from_toml(&text, &path.display().to_string(), &schema)
                .unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(path.file_stem().unwrap().to_str().unwrap(), matcher.name());
            let total: f64 = matcher.signals().iter().map(|signal| signal.weight).sum();
            assert!(total > 0.99 && total <= 1.0, "{}: weights sum to {total}", path.display());
            matcher_count += 1;
        }
    }
    assert!(matcher_count >= 5, "found {matcher_count} matchers");
}
