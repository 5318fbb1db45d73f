//! Models that can be fetched: where they are, and what they must be.

/// A model on a hub, pinned to one revision and the digests of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedModel {
    /// What its folder is called.
    pub name: String,
    /// Owner and name on the hub.
    pub repository: String,
    /// The commit.
    pub revision: String,
    /// What an encoder needs, and nothing else of the repository.
    pub files: Vec<ModelFile>,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// In the repository and in the folder, with `/`.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// Of its content, in hexadecimal.
    pub sha256: String,
}

impl PublishedModel {
    /// The recommended model: English, 384 dimensions, 256 tokens, 91 MB.
    ///
    /// Source: <https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2>, Apache-2.0; the method is Reimers &
    /// Gurevych, "Sentence-BERT", EMNLP 2019.
    #[must_use]
    pub fn all_minilm_l6_v2() -> Self {
        let files = [
            ("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
            (
                "1_Pooling/config.json",
                190,
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            ),
            (
                "sentence_bert_config.json",
                53,
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            ),
            ("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
            (
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
        ];
        let file = |(path, size_bytes, sha256): (&str, u64, &str)| ModelFile {
            path: path.into(),
            size_bytes,
            sha256: sha256.into(),
        };
        Self {
            name: "all-MiniLM-L6-v2".into(),
            repository: "sentence-transformers/all-MiniLM-L6-v2".into(),
            revision: "c9745ed1d9f207416be6d2e6f8de32d1f16199bf".into(),
            files: files.into_iter().map(file).collect(),
        }
    }
}
