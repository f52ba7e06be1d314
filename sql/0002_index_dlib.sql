-- The nearest faces of pipeline "dlib" without reading all of them.
CREATE INDEX faces_hnsw_dlib ON faces
    USING hnsw ((embedding::vector(128)) vector_l2_ops)
    WHERE pipeline = 'dlib';
