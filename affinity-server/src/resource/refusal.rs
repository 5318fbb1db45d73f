use super::request::RequestError;
use crate::problem::Problem;

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let mut problem = Self::rest(error.status(), error.code(), error.to_string());
        if let Some(details) = error.details() {
            problem = problem.details(details);
        }
        match error.hint() {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}
