-- The nearest faces of pipeline "sface" without reading all of them.
CREATE INDEX faces_hnsw_sface ON faces
    USING hnsw ((embedding::vector(128)) vector_l2_ops)
    WHERE pipeline = 'sface';
