-- The nearest faces of pipeline "arcface" without reading all of them.
CREATE INDEX faces_hnsw_arcface ON faces
    USING hnsw ((embedding::vector(512)) vector_l2_ops)
    WHERE pipeline = 'arcface';
