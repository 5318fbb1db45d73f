/// The one of `names` that is spelled most like `name`; `None` when none is close.
pub(in crate::resource) fn nearest<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let tolerated = name.chars().count().div_ceil(3);
    names
        .into_iter()
        .filter(|known| *known != name)
        .map(|known| (distance(&name.to_lowercase(), &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, known)| known)
}

/// The one of `names` that shares the largest part of its letters with `name`, if at least a third: what PostgREST
/// guesses for functions. The first of equals by name.
pub(in crate::resource) fn most_alike<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let differing_permille = |known: &str| {
        let longer = name.chars().count().max(known.chars().count()).max(1);
        distance(&name.to_lowercase(), &known.to_lowercase()) * 1_000 / longer
    };
    names
        .into_iter()
        .filter(|known| *known != name)
        .map(|known| (differing_permille(known), known))
        .filter(|(differing, _)| *differing < 667)
        .min()
        .map(|(_, known)| known)
}

/// How many letters to insert, remove or replace (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{most_alike, nearest};

    #[test]
    fn nearest_name_is_close_or_none() {
        let names = ["title", "first_name", "last_name"];
        assert_eq!(nearest("frist_name", names), Some("first_name"));
        assert_eq!(nearest("Title", names), Some("title"));
        assert_eq!(nearest("address", names), None);
    }

    #[test]
    fn most_alike_shares_a_third_of_its_letters() {
        let names = ["get_user_messages", "get_messages", "offline_user"];
        assert_eq!(most_alike("blurb_message", names), Some("get_messages"));
        assert_eq!(most_alike("zzz", names), None);
    }
}
