"""The parts of the report: charts, tables and sentences, each from the records of an audit document."""
